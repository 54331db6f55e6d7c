package import Audit

/// What a ``RecordLog`` is handed.
extension RecordLog {
    /// A call that has ended.
    package struct Ended: Sendable {
        /// Makes the record; called once, on the log's own thread. Must hold nothing of the values.
        package enum Making: Sendable {
            /// Without digests.
            case record(@Sendable () -> AuditRecord)
            /// The line as it is written, of which nothing is kept but digests.
            case line(@Sendable (_ arguments: [UInt8]?, _ result: [UInt8]?) -> [UInt8])
        }

        package var making: Making
        package var arguments: ArraySlice<UInt8>?
        package var result: ArraySlice<UInt8>?
        /// Whether the result is at least half of the message that it is of, so that it may hold that.
        private(set) var isMostOfMessage = false
        private var messageBytes = 0
        /// Whether the values are kept as they are; called on the log's own thread.
        package var keep: (@Sendable () -> Bool)?

        package init(
            record: @escaping @Sendable () -> AuditRecord, arguments: ArraySlice<UInt8>? = nil,
            result: ArraySlice<UInt8>? = nil, keep: (@Sendable () -> Bool)? = nil
        ) {
            making = .record(record)
            self.arguments = arguments
            self.result = result
            self.keep = keep
        }

        /// - Parameter bytes: what the message that the result is of takes in memory.
        package init(
            line: @escaping @Sendable (_ arguments: [UInt8]?, _ result: [UInt8]?) -> [UInt8],
            arguments: ArraySlice<UInt8>?, result: ArraySlice<UInt8>?, ofMessage bytes: Int
        ) {
            making = .line(line)
            self.arguments = arguments
            self.result = result
            messageBytes = bytes
            isMostOfMessage = (result?.count ?? 0) > bytes / 2
        }

        var heldBytes: Int {
            (arguments?.count ?? 0) + (isMostOfMessage && result != nil ? messageBytes : result?.count ?? 0)
        }
    }

    /// An ended call as it waits for its record: one object, which goes from hand to hand as such.
    final class Waiting: Sendable {
        let making: Ended.Making
        let keep: (@Sendable () -> Bool)?
        /// Of the message that they came in as much as ``heldBytes`` says.
        let arguments: ArraySlice<UInt8>?
        let result: ArraySlice<UInt8>?
        let heldBytes: Int

        /// - Parameter hasRoom: whether its values are kept, with memory of their own: a slice would hold all of the message that it is of, whatever
        ///   that is. That is one copy of what was just read through; a result that is most of its message is held with it.
        init(_ ended: borrowing Ended, hasRoom: Bool) {
            making = ended.making
            keep = ended.keep
            guard hasRoom else {
                (arguments, result, heldBytes) = (nil, nil, 0)
                return
            }
            arguments = ended.arguments.map { Array($0)[...] }
            result = ended.isMostOfMessage ? ended.result : ended.result.map { Array($0)[...] }
            heldBytes = ended.heldBytes
        }
    }

    /// A call that goes out only when this is on stable storage.
    package struct Intent: Sendable {
        /// Makes the record, without digests; called once, on the log's own thread.
        package var record: @Sendable () -> AuditRecord
        package var arguments: ArraySlice<UInt8>?
        /// Called once, on a thread for that alone: `nil` when the record lies on stable storage, else why it does not.
        package var done: @Sendable (String?) -> Void

        package init(
            record: @escaping @Sendable () -> AuditRecord, arguments: ArraySlice<UInt8>?,
            done: @escaping @Sendable (String?) -> Void
        ) {
            self.record = record
            self.arguments = arguments
            self.done = done
        }
    }
}
