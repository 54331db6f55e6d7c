package import Audit
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What was found among the records, and what of them could not be read.
package struct RecordFindings: Sendable {
    /// Oldest first.
    package var lines: [RecordLine] = []
    /// Whether there are older ones that fit.
    package var isCut = false
    /// Lines that are no record: the last one of a crash, or a file that was changed.
    package var unreadable = 0

    package init() {}
}

/// The folder of segments, `records/` in the data folder: files `00000001.jsonl`, …, 0600, each a line a record.
///
/// All calls block on the disk.
struct RecordFolder: Sendable {
    /// A segment that grew beyond what one may have is not read whole into memory.
    private static let readBytesMax = 2 * RecordRotation.segmentBytesMax
    private static let ending = ".jsonl"
    private static let digits = 8

    let path: String

    init(in dataFolder: String) { path = "\(dataFolder)/records" }

    func make() throws(DataFolderError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw .system(path: path, doing: "make folder", code: errno)
        }
        let folder = try OpenFile(path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW, path: path)
        try folder.requirePrivate(wanted: 0o700)
    }

    /// Returns when the names of its files are on stable storage.
    func sync(by sync: (Int32) -> Int32) throws(DataFolderError) {
        try OpenFile(path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW, path: path).sync(by: sync)
    }

    func path(of number: Int) -> String {
        let text = String(number)
        return
            "\(path)/\(String(repeating: "0", count: max(0, Self.digits - text.count)))\(text)\(Self.ending)"
    }

    /// Those that there are, oldest first.
    func segments() -> [(number: Int, bytes: Int)] {
        guard let listing = opendir(path) else { return [] }
        defer { closedir(listing) }
        var found: [(number: Int, bytes: Int)] = []
        while let item = readdir(listing) {
            let name = withUnsafeBytes(of: item.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(Self.ending), let number = Int(name.dropLast(Self.ending.count)), number > 0
            else { continue }
            var status = stat()
            guard lstat("\(path)/\(name)", &status) == 0 else { continue }
            found.append((number, Int(status.st_size)))
        }
        return found.sorted { $0.number < $1.number }
    }

    func remove(_ number: Int) { _ = unlink(path(of: number)) }

    /// - Parameter isNew: it must not be there yet.
    func open(_ number: Int, isNew: Bool) throws(DataFolderError) -> OpenFile {
        let path = path(of: number)
        let file = try OpenFile(
            path, flags: O_RDWR | O_APPEND | O_NOFOLLOW | (isNew ? O_CREAT | O_EXCL : 0), path: path)
        try file.requirePrivate(wanted: 0o600)
        return file
    }

    /// - Returns: `nil` for one that has gone meanwhile, or is none of ours.
    func read(_ number: Int) -> [UInt8]? {
        let path = path(of: number)
        guard let file = try? OpenFile(path, flags: O_RDONLY | O_NOFOLLOW, path: path) else { return nil }
        return try? file.readAll(bytesMax: Self.readBytesMax)
    }

    // MARK: Asking

    /// The last records that fit; one segment at a time is in memory. Of a call with an end on record its intent is left out.
    ///
    /// - Complexity: O(bytes of the segments that are read), from the newest back.
    func find(_ filter: RecordFilter, limit: Int) -> RecordFindings {
        var findings = RecordFindings()
        var newestFirst: [RecordLine] = []
        var ended: Set<String> = []
        for (number, _) in segments().reversed() {
            guard let bytes = read(number) else {
                findings.unreadable += 1
                continue
            }
            var isRecent = filter.since == nil
            for line in bytes.split(separator: UInt8(ascii: "\n")).reversed() {
                guard let line = RecordLine(line) else {
                    findings.unreadable += 1
                    continue
                }
                if let since = filter.since, line.leaf.at >= since { isRecent = true }
                switch line.leaf {
                case .call(let record) where record.isIntended:
                    ended.insert(record.end.rawValue + record.call)
                case .intent(let record) where ended.contains(record.end.rawValue + record.call): continue
                default: break
                }
                guard filter.chooses(line.leaf) else { continue }
                guard newestFirst.count < limit else {
                    findings.isCut = true
                    findings.lines = newestFirst.reversed()
                    return findings
                }
                newestFirst.append(line)
            }
            // What lies before is older still.
            guard isRecent else { break }
        }
        findings.lines = newestFirst.reversed()
        return findings
    }
}
