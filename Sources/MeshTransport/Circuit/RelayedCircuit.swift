import Catalog
import Mesh

/// Two streams of two links joined byte for byte: what a relay does for others.
///
/// Credit is passed on, not made up: bytes that came in on one side are given back when they have left on the
/// other, so a relay never holds more of a circuit than one window each way, and ``RelayLimits/bytesInFlight`` of one
/// source. Lives on the mesh's loop.
final class RelayedCircuit {
    /// A join is a few kilobytes; whoever pushes more through is not joining.
    static let joinBytesMax = 64 * 1024

    let source: NodeID
    /// Who brought it here. A source is named by the header alone, so that what it may use is counted for each bringer: nobody
    /// uses up what another's circuits have.
    let bringer: NodeID
    let destination: NodeID
    private let bytesMax: Int?
    private let upstream: LinkStream
    private let downstream: LinkStream
    private let next: NodeID
    private let now: () -> Instant
    /// Sees what the relay sees; the tests look for plaintext here.
    private let observe: (([UInt8]) -> Void)?
    /// Whether the source's circuits together hold no more here than they may.
    private let hasRoom: () -> Bool
    private let ended: (RelayedCircuit) -> Void
    /// Came in on one side and has not left on the other.
    private(set) var bytesHeld = 0
    private var bytesRelayed = 0
    private var sidesEnded = 0
    private var isOver = false
    private(set) var lastByte: Instant

    /// - Parameters:
    ///   - bringer: the peer from which it came.
    ///   - upstream: from the circuit's source.
    ///   - downstream: to `next`.
    init(
        _ header: CircuitHeader, by bringer: NodeID, from upstream: LinkStream, to downstream: LinkStream,
        at next: NodeID,
        now: @escaping () -> Instant, observe: (([UInt8]) -> Void)?,
        hasRoom: @escaping () -> Bool, ended: @escaping (RelayedCircuit) -> Void
    ) {
        source = header.source
        self.bringer = bringer
        destination = header.path.last ?? next
        bytesMax = header.purpose == .join ? Self.joinBytesMax : nil
        self.upstream = upstream
        self.downstream = downstream
        self.next = next
        self.now = now
        self.observe = observe
        self.hasRoom = hasRoom
        self.ended = ended
        lastByte = now()
    }

    func start() {
        downstream.reader = self
        upstream.reader = self
    }

    func end(_ code: ResetCode, _ text: String) {
        guard !isOver else { return }
        isOver = true
        upstream.reset(code, text)
        downstream.reset(code, text)
        ended(self)
    }

    private func carry(_ chunk: StreamChunk, _ to: LinkStream) {
        // A circuit knows bytes, not records: an empty one would be queued without costing anybody credit.
        guard !chunk.bytes.isEmpty else { return }
        lastByte = now()
        bytesRelayed += chunk.bytes.count
        observe?(chunk.bytes)
        if let bytesMax, bytesRelayed > bytesMax {
            return end(.limited, "a join takes no more than \(bytesMax) bytes")
        }
        bytesHeld += chunk.bytes.count
        to.send(chunk.bytes, kind: chunk.kind, isLast: chunk.isLast)
        // What left at once is drained by now. A circuit alone never comes here: credit stops it before.
        guard bytesHeld > 0, !hasRoom() else { return }
        end(.limited, "more waits here of this source's circuits than a relay holds")
    }

    /// With both directions at their end, what is queued drains by itself.
    private func oneSideEnded() {
        sidesEnded += 1
        guard sidesEnded == 2, !isOver else { return }
        isOver = true
        ended(self)
    }

    private func other(than stream: LinkStream) -> LinkStream { stream === upstream ? downstream : upstream }
}

extension RelayedCircuit: StreamReader {
    func received(_ chunk: StreamChunk, on stream: LinkStream) { carry(chunk, other(than: stream)) }

    func receivedEnd(of stream: LinkStream) {
        other(than: stream).finish()
        oneSideEnded()
    }

    func broke(_ why: StreamBreak, of stream: LinkStream) {
        switch why {
        case .reset(let code, let text): end(code, text)
        // The source masks the link that is named and opens another circuit.
        case .linkDown where stream === downstream: end(.nextUnreachable, next.description)
        case .linkDown, .resetByUs: end(.cancelled, "")
        }
    }

    /// What left on one stream came in on the other, which may now send as much again.
    func drained(_ count: Int, of stream: LinkStream) {
        bytesHeld -= count
        other(than: stream).consumed(count)
    }
}
