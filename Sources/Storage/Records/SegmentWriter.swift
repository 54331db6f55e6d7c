import Audit
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What of the system records are written with; a test puts a slow or a full disk in its place.
package struct RecordDisk: Sendable {
    /// As `write(2)`: how many bytes were taken, or -1 with `errno`.
    package var write: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int
    /// As `fdatasync(2)`: 0, or -1 with `errno`.
    package var sync: @Sendable (_ descriptor: Int32) -> Int32
    /// As `fsync(2)`, of the folder.
    package var syncFolder: @Sendable (_ descriptor: Int32) -> Int32

    package init(
        write: @escaping @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int,
        sync: @escaping @Sendable (_ descriptor: Int32) -> Int32 = { fdatasync($0) },
        syncFolder: @escaping @Sendable (_ descriptor: Int32) -> Int32 = { fsync($0) }
    ) {
        self.syncFolder = syncFolder
        self.write = write
        self.sync = sync
    }

    package static let real = RecordDisk(write: plainWrite)
}

private func plainWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}

/// Appends whole lines to the newest segment, begins new ones, and lets old ones go. Blocks on the disk.
///
/// What is half written when the disk is full is taken back, so that a line is whole or not there; what a crash left half written
/// is closed with a line feed, and readers count it as one that cannot be read.
struct SegmentWriter: ~Copyable {
    /// Between two flushes to stable storage: a power cut takes at most so much, a killed process nothing.
    private static let syncEvery = Duration.seconds(1)

    private let folder: RecordFolder
    private let rotation: RecordRotation
    private let disk: RecordDisk
    private var file: OpenFile?
    private var segment = RecordRotation.Segment(number: 0, bytes: 0, records: 0)
    private var syncedAt = ContinuousClock.now
    private var isDirty = false

    init(folder: RecordFolder, rotation: RecordRotation, disk: RecordDisk) {
        self.folder = folder
        self.rotation = rotation
        self.disk = disk
    }

    /// Appends lines in order.
    ///
    /// - Parameter written: how many of them are in the file, also when it throws.
    mutating func append(_ lines: [[UInt8]], written: inout Int) throws(DataFolderError) {
        if file == nil { try takeUp() }
        var part: [UInt8] = []
        part.reserveCapacity(lines.reduce(0) { $0 + $1.count })
        var count = 0
        for line in lines {
            var filled = segment
            filled.bytes += part.count
            filled.records += count
            if rotation.isFull(filled, forBytes: line.count) {
                try write(part, records: count)
                written += count
                (part, count) = ([], 0)
                try begin(segment.number + 1)
            }
            part += line
            count += 1
        }
        try write(part, records: count)
        written += count
        if syncedAt.duration(to: .now) >= Self.syncEvery { try sync() }
    }

    /// To stable storage, what is not there yet.
    mutating func sync() throws(DataFolderError) {
        syncedAt = .now
        guard isDirty else { return }
        // Of a segment that was given up nobody can say where it is.
        guard file != nil else {
            throw .system(path: folder.path(of: segment.number), doing: "flush", code: EIO)
        }
        do throws(DataFolderError) {
            try file?.sync(by: disk.sync)
        } catch {
            // The system may hold what it failed to write to be clean; a later flush of this file would prove nothing.
            file = nil
            throw error
        }
        isDirty = false
    }

    private mutating func takeUp() throws(DataFolderError) {
        try folder.make()
        let newest = folder.segments().last
        // After trouble with a segment the next is begun: what is in the old one stays as it is.
        guard let newest, newest.number > segment.number, newest.bytes <= RecordRotation.segmentBytesMax,
            let bytes = folder.read(newest.number)
        else { return try begin(max(newest?.number ?? 0, segment.number) + 1) }
        segment = RecordRotation.Segment(
            number: newest.number, bytes: bytes.count, records: bytes.count { $0 == UInt8(ascii: "\n") })
        file = try folder.open(newest.number, isNew: false)
        if let last = bytes.last, last != UInt8(ascii: "\n") {
            try write([UInt8(ascii: "\n")], records: 1)
        }
    }

    private mutating func begin(_ number: Int) throws(DataFolderError) {
        if file != nil { try sync() }
        isDirty = false
        for old in rotation.outgoing(of: folder.segments()) { folder.remove(old) }
        file = nil
        segment = RecordRotation.Segment(number: number, bytes: 0, records: 0)
        let new = try folder.open(number, isNew: true)
        // Its name, so that what is flushed in it is found after a power cut. Until then nothing is written into it.
        do throws(DataFolderError) {
            try folder.sync(by: disk.syncFolder)
        } catch {
            // Empty ones would pile up while that fails.
            folder.remove(number)
            throw error
        }
        file = consume new
    }

    private mutating func write(_ bytes: [UInt8], records: Int) throws(DataFolderError) {
        guard let descriptor = file?.descriptor, !bytes.isEmpty else { return }
        var done = 0
        isDirty = true
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                disk.write(descriptor, UnsafeRawBufferPointer(rebasing: $0[done...]))
            }
            if count > 0 {
                done += count
            } else if errno != EINTR || count == 0 {
                let problem = count == 0 ? ENOSPC : errno
                if ftruncate(descriptor, off_t(segment.bytes)) != 0 { file = nil }
                throw .system(path: folder.path(of: segment.number), doing: "write to", code: problem)
            }
        }
        segment.bytes += bytes.count
        segment.records += records
    }
}
