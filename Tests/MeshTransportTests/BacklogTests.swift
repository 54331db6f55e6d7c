import Catalog
import Mesh
import Synchronization
import Testing

@testable import MeshTransport

/// What may wait of one link for the core's owner.
struct BacklogTests {
    private func backlog(_ resumed: Box) -> Backlog { Backlog { resumed.count.add(1, ordering: .relaxed) } }

    private final class Box: Sendable {
        let count = Atomic<Int>(0)
        var times: Int { count.load(ordering: .relaxed) }
    }

    @Test(arguments: [
        (frames: Backlog.framesMax, bytes: 1),
        (frames: 8, bytes: Backlog.bytesMax / 8),
    ])
    func `a link is read until too much waits, and again when half of it is taken`(frames: Int, bytes: Int) {
        let box = Box()
        let backlog = backlog(box)
        for _ in 0..<frames { backlog.add(bytes) }
        #expect(!backlog.shouldPause())
        backlog.add(bytes)
        #expect(backlog.shouldPause())
        for _ in 0..<frames / 2 { backlog.take(bytes) }
        #expect(box.times == 0)
        backlog.take(bytes)
        #expect(box.times == 1)
        #expect(!backlog.shouldPause())
        for _ in 0..<frames / 2 { backlog.take(bytes) }
        #expect(box.times == 1)
    }

    @Test func `a frame counts as what it holds, not as one`() throws {
        let document = [UInt8](repeating: 7, count: 60 * 1024)
        #expect(Frame.documents([document]).bytesHeld > document.count)
        #expect(Frame.statements([document], isLast: true).bytesHeld > document.count)
        #expect(Frame.scopedDocuments([document], isLast: true).bytesHeld > document.count)
        let page = ManifestPage(manifest: ContentHash(of: []), index: 0, bytes: document)
        #expect(Frame.manifestPage(page).bytesHeld > document.count)
        let key = DocumentKey.links(NodeID(high: 1, low: 1))
        let row = DocumentRow(
            key: key, version: DocumentVersion(incarnation: 1, life: 1, sequence: 1),
            hash: ContentHash(of: []))
        let rows = Array(repeating: row, count: DigestPage.rowsMax)
        let pages = DigestPage(after: nil, rows: rows, isLast: true)
        let least = rows.count * MemoryLayout<DocumentRow>.stride
        #expect(Frame.announce(rows).bytesHeld >= least)
        #expect(Frame.digestRows(pages).bytesHeld >= least)
        #expect(Frame.pull(rows.map(\.key)).bytesHeld >= rows.count * MemoryLayout<DocumentKey>.stride)
    }
}
