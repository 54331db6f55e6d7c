import Mesh

/// Waits, on the stream of a call that was answered, for the word that the answer has arrived.
final class AnswerReceipt: StreamReader {
    private let key: CallJournal.Key
    private let hub: MeshHub

    init(of key: CallJournal.Key, at hub: MeshHub) {
        self.key = key
        self.hub = hub
    }

    func received(_ chunk: StreamChunk, on stream: LinkStream) { stream.consumed(chunk.bytes.count) }

    func receivedEnd(of stream: LinkStream) { hub.journal.acknowledged(key) }

    func broke(_ why: StreamBreak, of stream: LinkStream) {
        // Its caller had gone before this was there. A link that breaks says nothing of the kind.
        guard case .reset(.cancelled, _) = why, let task = hub.journal.declined(key) else { return }
        hub.abandon(task)
    }
}
