package import Audit
import Dispatch
import Synchronization

/// The records of this node's calls, on their way to the disk and back (docs/decisions/0036-call-records.md).
///
/// A call hands over what it has and goes on: that is an append to an array under a lock that is held for nothing else. All
/// the rest, digests too, is done on a thread of its own, a batch at a time. Where that does not keep up, or the disk
/// takes nothing, records are lost and counted; no call waits.
package final class RecordLog: Sendable {
    /// Calls that have ended and are not written yet; the batch that is just being written comes on top, so at most twice as many.
    package static let pendingMax = 8_192
    /// Bytes of arguments and results that wait for their digests. What finds no room gets none.
    package static let heldBytesMax = 32 << 20
    /// Values that cost more to copy than the lock does that says whether they are wanted.
    private static let largeBytes = 16 << 10
    /// Bytes of arguments that wait for the digests of intents, besides. A call whose arguments find no room does not go out.
    package static let intendedBytesMax = 32 << 20
    /// From the end of a call to the write of its record; with the write itself it stays within 50 ms (mesh-wide promise).
    package static let batchWait = Duration.milliseconds(20)
    /// Commands and dashboards that follow at once.
    package static let followersMax = 16
    /// Records that wait for one of them; what comes on top is left out, and that is said to it.
    package static let followedMax = 1_024
    /// How long the end of the node waits for the disk.
    private static let closeMax = DispatchTimeInterval.seconds(2)

    private enum Taken: Sendable {
        case ended(Waiting)
        case intent(Intent)
    }

    /// How it stands, for `status`.
    package struct Standing: Sendable {
        package var written = 0
        /// Since the start.
        package var lost = 0
        /// Why the last ones were lost, while it lasts.
        package var trouble: String?
    }

    package enum Followed: Sendable {
        case line(RecordLine)
        /// So many were left out here.
        case dropped(Int)
    }

    private struct Intake {
        var ended: [Taken] = []
        var heldBytes = 0
        var intendedBytes = 0
        var lost = 0
        var isScheduled = false
        /// Whether a write comes at once, for an intent.
        var isUrgent = false
        var isBusy = false
    }

    private struct Follower {
        let filter: RecordFilter
        let continuation: AsyncStream<Followed>.Continuation
        var dropped = 0
    }

    private let key: RecordKey
    private let folder: RecordFolder
    private let now: @Sendable () -> WallTime
    private let intake = Mutex(Intake())
    private let thread = DispatchQueue(label: "martlet.records")
    private let readers = DispatchQueue(label: "martlet.records.readers")
    /// Calls whose intents lie on the disk go out from here, while the next are being written.
    private let released = DispatchQueue(label: "martlet.records.released")
    /// Held on ``thread`` alone.
    private let writer: Mutex<SegmentWriter>
    /// Losses that the file does not say yet; on ``thread`` alone.
    private let unsaid = Mutex((count: 0, why: ""))
    private let standing = Mutex(Standing())
    private let followers = Mutex<(next: Int, all: [Int: Follower])>((0, [:]))

    /// Touches no file: that is done when there is something to write.
    package init(
        in dataFolder: String, key: RecordKey, keep: Int = RecordRotation.keepDefault,
        disk: RecordDisk = .real,
        now: @escaping @Sendable () -> WallTime = { .now() }
    ) {
        self.key = key
        self.now = now
        folder = RecordFolder(in: dataFolder)
        writer = Mutex(SegmentWriter(folder: folder, rotation: RecordRotation(keep: keep), disk: disk))
    }

    package func facts() -> (standing: Standing, segments: Int, bytes: Int) {
        let segments = folder.segments()
        var facts = standing.withLock { $0 }
        facts.lost += intake.withLock { $0.lost }
        return (facts, segments.count, segments.reduce(0) { $0 + $1.bytes })
    }

    /// Calls that have ended and whose records are not written yet.
    package var waiting: Int { intake.withLock { $0.ended.count } }

    /// ``facts()`` without a look at the disk.
    package var counts: Standing {
        var counts = standing.withLock { $0 }
        counts.lost += intake.withLock { $0.lost }
        return counts
    }

    // MARK: Taking

    /// Takes a call that has ended, from any thread; never waits for anything but other callers of this.
    package func take(_ ended: Ended) {
        // Large values are copied only where there is room for them now: the log that is full is the one with least time.
        let isLarge = ended.heldBytes > Self.largeBytes
        let hasRoom = !isLarge || intake.withLock { $0.heldBytes + ended.heldBytes <= Self.heldBytesMax }
        let waiting = Waiting(ended, hasRoom: hasRoom)
        let isFirst = intake.withLock { intake in
            guard intake.ended.count < Self.pendingMax else {
                intake.lost += 1
                return false
            }
            if intake.heldBytes + waiting.heldBytes <= Self.heldBytesMax {
                intake.heldBytes += waiting.heldBytes
                intake.ended.append(.ended(waiting))
            } else {
                intake.ended.append(.ended(Waiting(ended, hasRoom: false)))
            }
            guard !intake.isScheduled else { return false }
            intake.isScheduled = true
            return true
        }
        guard isFirst else { return }
        thread.asyncAfter(deadline: .now() + .nanoseconds(Int(Self.batchWait / .nanoseconds(1)))) {
            self.write()
        }
    }

    /// Takes a call that waits for its intent. Whoever comes while the disk is busy goes with the next flush: one flush for all of them.
    package func intend(_ intent: Intent) {
        enum Place { case first, next, none }
        let bytes = intent.arguments?.count ?? 0
        let hasRoom = intake.withLock { intake in
            guard intake.intendedBytes + bytes <= Self.intendedBytesMax else { return false }
            intake.intendedBytes += bytes
            return true
        }
        guard hasRoom else {
            let why = "more than \(Self.intendedBytesMax >> 20) MiB of arguments wait for the disk already"
            return released.async { intent.done(why) }
        }
        // A copy, for the reason of ``Waiting``.
        var copied = intent
        copied.arguments = intent.arguments.map { Array($0)[...] }
        let taken = copied
        let place: Place = intake.withLock { intake in
            guard intake.ended.count < Self.pendingMax else {
                intake.intendedBytes -= bytes
                return .none
            }
            intake.ended.append(.intent(taken))
            guard !intake.isUrgent else { return .next }
            intake.isUrgent = true
            return .first
        }
        switch place {
        case .first: thread.async { self.write() }
        case .next: break
        case .none:
            released.async { intent.done("more than \(Self.pendingMax) records wait for the disk already") }
        }
    }

    /// Writes down what is there and ends the followers, when the node ends. A disk that hangs does not hold the node.
    package func close() {
        let isDone = DispatchSemaphore(value: 0)
        thread.async {
            self.write()
            self.writer.withLock { try? $0.sync() }
            isDone.signal()
        }
        _ = isDone.wait(timeout: .now() + Self.closeMax)
        for follower in followers.withLock({ $0.all.values.map(\.continuation) }) { follower.finish() }
    }

    // MARK: Writing, on the thread

    private func write() {
        let (batch, lost) = intake.withLock { intake in
            defer {
                intake.ended = []
                intake.lost = 0
                intake.isScheduled = false
                intake.isUrgent = false
                intake.isBusy = true
            }
            return (intake.ended, intake.lost)
        }
        defer { intake.withLock { $0.isBusy = false } }
        guard !batch.isEmpty || lost > 0 || unsaid.withLock({ $0.count > 0 }) else { return }
        if lost > 0 {
            lose(lost, "more than \(Self.pendingMax) calls ended before the disk had taken their records")
        }
        var all = batch.map(line)
        let isEnd = batch.map { if case .ended = $0 { true } else { false } }
        tell(zip(all, isEnd).lazy.filter(\.1).map(\.0))
        let said = unsaid.withLock { $0 }
        if said.count > 0 {
            let leaf = RecordLeaf.lost(LostRecords(at: now().milliseconds, count: said.count, why: said.why))
            all.insert(RecordLine(leaf).bytes, at: 0)
        }
        var (written, isFlushed) = (0, false)
        do throws(DataFolderError) {
            let toWrite = all
            let hasIntents = isEnd.contains(false)
            try writer.withLock { writer throws(DataFolderError) in
                var failure: DataFolderError?
                do throws(DataFolderError) {
                    try writer.append(toWrite, written: &written)
                } catch {
                    failure = error
                }
                // Those that found room go out, whatever became of those behind them.
                if hasIntents, written > 0 {
                    try writer.sync()
                    isFlushed = true
                }
                if let failure { throw failure }
            }
            standing.withLock { $0.trouble = nil }
        } catch {
            standing.withLock { $0.trouble = "\(error)" }
        }
        if said.count > 0, written > 0 {
            unsaid.withLock { $0 = (0, "") }
            written -= 1
        }
        let why = standing.withLock { $0.trouble } ?? "the disk did not take it"
        let (kept, missed) = (isEnd.prefix(written).count(where: \.self), isEnd.dropFirst(written))
        standing.withLock { $0.written += kept }
        let lostNow = missed.count(where: \.self)
        if lostNow > 0 { lose(lostNow, why) }
        let isSafe = isFlushed
        for (place, taken) in batch.enumerated() {
            guard case .intent(let intent) = taken else { continue }
            let failure = place < written && isSafe ? nil : why
            released.async { [done = intent.done] in done(failure) }
        }
    }

    private func line(_ taken: Taken) -> [UInt8] {
        switch taken {
        case .ended(let ended):
            defer { intake.withLock { $0.heldBytes -= ended.heldBytes } }
            switch ended.making {
            case .record(let record): return line(ended, record()).bytes
            case .line(let line): return line(ended.arguments.map(key.code), ended.result.map(key.code))
            }
        case .intent(let intent):
            var record = intent.record()
            record.argumentsDigest = intent.arguments.map(key.digest)
            intake.withLock { $0.intendedBytes -= intent.arguments?.count ?? 0 }
            return RecordLine(.intent(record)).bytes
        }
    }

    private func line(_ ended: Waiting, _ made: AuditRecord) -> RecordLine {
        var record = made
        record.argumentsDigest = ended.arguments.map(key.digest)
        record.resultDigest = ended.result.map(key.digest)
        guard ended.keep?() ?? false, ended.heldBytes <= RecordLine.valuesBytesMax else {
            return RecordLine(.call(record))
        }
        return RecordLine(.call(record), keepingArguments: ended.arguments, result: ended.result)
    }

    private func lose(_ count: Int, _ why: String) {
        unsaid.withLock { $0 = ($0.count + count, why) }
        standing.withLock { $0.lost += count }
    }

    // MARK: Asking

    /// The last records that fit, those of calls that ended before the question among them, unless the disk is slower than that.
    package func find(_ filter: RecordFilter, limit: Int) async -> RecordFindings {
        let patience = ContinuousClock.now + .milliseconds(250)
        while intake.withLock({ $0.isBusy || !$0.ended.isEmpty }), ContinuousClock.now < patience {
            try? await Task.sleep(for: .milliseconds(5))
        }
        return await withCheckedContinuation { continuation in
            readers.async { [folder] in continuation.resume(returning: folder.find(filter, limit: limit)) }
        }
    }

    /// The last records that fit, those of calls that have ended by now among them.
    ///
    /// - Parameter done: called once, on the thread of those who read.
    package func find(
        _ filter: RecordFilter, limit: Int, _ done: @escaping @Sendable (RecordFindings) -> Void
    ) {
        thread.async { [self] in
            write()
            readers.async { [folder] in done(folder.find(filter, limit: limit)) }
        }
    }

    /// Every record from now on that fits; `nil` when ``followersMax`` follow already.
    package func follow(_ filter: RecordFilter) -> AsyncStream<Followed>? {
        let (stream, continuation) = AsyncStream<Followed>.makeStream(
            bufferingPolicy: .bufferingOldest(Self.followedMax))
        let number: Int? = followers.withLock { followers in
            guard followers.all.count < Self.followersMax else { return nil }
            followers.next += 1
            followers.all[followers.next] = Follower(filter: filter, continuation: continuation)
            return followers.next
        }
        guard let number else { return nil }
        continuation.onTermination = { [weak self] _ in
            self?.followers.withLock { _ = $0.all.removeValue(forKey: number) }
        }
        return stream
    }

    private func tell(_ written: some Sequence<[UInt8]>) {
        var all = followers.withLock { $0.all }
        guard !all.isEmpty else { return }
        let lines = written.compactMap { RecordLine($0.dropLast()) }
        // Outside of the lock: a stream that has ended takes itself out under it.
        for number in all.keys {
            guard var follower = all[number] else { continue }
            for line in lines where follower.filter.chooses(line.leaf) {
                if follower.dropped > 0 {
                    guard case .enqueued = follower.continuation.yield(.dropped(follower.dropped)) else {
                        follower.dropped += 1
                        continue
                    }
                    follower.dropped = 0
                }
                if case .enqueued = follower.continuation.yield(.line(line)) { continue }
                follower.dropped += 1
            }
            all[number] = follower
        }
        let told = all.mapValues(\.dropped)
        followers.withLock { followers in
            for (number, dropped) in told { followers.all[number]?.dropped = dropped }
        }
    }
}
