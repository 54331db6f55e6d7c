import Catalog

/// The manifests that this node holds, and those it is fetching page by page.
///
/// Hands out orders in the form of frames to send; bounded by what live server documents name.
struct ManifestShelf: Sendable {
    struct Held: Sendable {
        var bytes: [UInt8]
        var manifest: Manifest
    }

    /// What a page or a lost link led to.
    enum Outcome: Sendable {
        case nothing
        case send(Frame, LinkID)
        case complete(ContentHash)
        /// The pages do not make the manifest that its hash names: the neighbour is broken or lies.
        case spoilt(ContentHash, by: LinkID)
        /// They do, but it cannot be read: its owner published nonsense.
        case broken(ContentHash, WireError)
    }

    private struct Fetch: Sendable {
        var size: Int
        var bytes: [UInt8] = []
        var source: LinkID?
        /// Asked besides, since the first one lets us wait.
        var second: LinkID?
        /// Whom a second was asked after, so that there is one each.
        var outwaited: Set<LinkID> = []
        var pagesAsked = 0
        var lastPageAt: Instant
        var tried: Set<LinkID> = []
        var spoilt = 0
        /// Links that asked us meanwhile, and from which page.
        var askers: [LinkID: ManifestPull] = [:]

        var pagesHere: Int { bytes.count / ManifestCodec.pageBytes }
        var isWhole: Bool { bytes.count >= size }
    }

    private struct Use: Hashable, Sendable {
        var hash: ContentHash
        var size: Int
    }

    /// After so many wrong answers a manifest is given up until its document changes.
    private static let spoiltMax = 8
    /// Pages that one pull may ask for.
    private static let pagesServedMax = 64

    private let limits: MeshLimits
    private var held: [ContentHash: Held] = [:]
    private var fetches: [ContentHash: Fetch] = [:]
    /// In order of arrival; may name what is no longer wanted.
    private var waiting: [ContentHash] = []
    private var waitingFrom: [ContentHash: (size: Int, link: LinkID?)] = [:]
    private var users: [ContentHash: Set<ServerKey>] = [:]
    private var uses: [ServerKey: Use] = [:]
    /// What servers named before, while what they name now is on its way: a change must not look like a loss.
    /// At most one a server, and only as far as the owner's share allows.
    private var standing: [ServerKey: Use] = [:]
    private var bytesStated: [NodeID: Int] = [:]
    private var bytesStanding: [NodeID: Int] = [:]
    private(set) var broken: Set<ContentHash> = []

    init(limits: MeshLimits) { self.limits = limits }

    /// Whether there is nothing to order.
    var isIdle: Bool { fetches.isEmpty && waiting.isEmpty }

    subscript(hash: ContentHash) -> Held? { held[hash] }

    /// What a server is to be shown with: what its document names, else what it named before.
    func shown(for key: ServerKey) -> Manifest? {
        [uses[key], standing[key]].lazy.compactMap { $0 }.compactMap { held[$0.hash]?.manifest }.first
    }

    /// Lets go of what no live server names.
    mutating func dropUnused() -> [ContentHash] {
        let unused = held.keys.filter { users[$0] == nil }.sorted()
        for hash in unused { held[hash] = nil }
        return unused
    }

    mutating func hold(_ hash: ContentHash, _ item: Held) { held[hash] = item }

    /// A server's document names this manifest now, or none.
    ///
    /// - Returns: manifests that nobody needs any more, and are dropped.
    mutating func use(_ key: ServerKey, _ hash: ContentHash?, size: Int) -> [ContentHash] {
        let before = uses[key]
        guard before?.hash != hash else { return [] }
        uses[key] = hash.map { Use(hash: $0, size: size) }
        if let hash {
            users[hash, default: []].insert(key)
            bytesStated[key.owner, default: 0] += size
        }
        bytesStated[key.owner, default: 0] -= before?.size ?? 0
        guard let hash, held[hash] == nil else {
            return unstand(key) + (before.flatMap { release($0.hash, by: key) }.map { [$0] } ?? [])
        }
        guard let before else { return [] }
        // One that never arrived shows nothing; what stood before it goes on.
        guard held[before.hash] != nil, isWithinShare(key.owner, with: before.size) else {
            return release(before.hash, by: key).map { [$0] } ?? []
        }
        let dropped = unstand(key)
        standing[key] = before
        bytesStanding[key.owner, default: 0] += before.size
        return dropped
    }

    /// A manifest is here: what stood in for it goes.
    ///
    /// - Returns: manifests that nobody needs any more, and are dropped.
    mutating func settle(_ hash: ContentHash) -> [ContentHash] {
        let arrived = users[hash, default: []].filter { uses[$0]?.hash == hash }
        return arrived.sorted().flatMap { unstand($0) }
    }

    private mutating func unstand(_ key: ServerKey) -> [ContentHash] {
        guard let stood = standing.removeValue(forKey: key) else { return [] }
        bytesStanding[key.owner, default: 0] -= stood.size
        return release(stood.hash, by: key).map { [$0] } ?? []
    }

    private mutating func release(_ hash: ContentHash, by key: ServerKey) -> ContentHash? {
        guard uses[key]?.hash != hash, standing[key]?.hash != hash else { return nil }
        users[hash]?.remove(key)
        guard users[hash]?.isEmpty == true else { return nil }
        users[hash] = nil
        fetches[hash] = nil
        waitingFrom[hash] = nil
        broken.remove(hash)
        return held.removeValue(forKey: hash) != nil ? hash : nil
    }

    /// Whether all manifests of an owner together stay within its share.
    func isWithinShare(_ owner: NodeID) -> Bool {
        bytesStated[owner, default: 0] <= limits.manifestBytesPerOrigin
    }

    private func isWithinShare(_ owner: NodeID, with size: Int) -> Bool {
        let bytes = bytesStated[owner, default: 0] + bytesStanding[owner, default: 0]
        return bytes + size <= limits.manifestBytesPerOrigin
    }

    /// Wants a manifest that is not held, first from the neighbour that showed its document.
    mutating func want(_ hash: ContentHash, size: Int, from link: LinkID?) {
        guard held[hash] == nil, fetches[hash] == nil, waitingFrom[hash] == nil, !broken.contains(hash) else {
            return
        }
        waiting.append(hash)
        waitingFrom[hash] = (size, link)
    }

    /// Begins what there is room for, and turns from neighbours that keep silent. Call after each event.
    mutating func orders(active: [LinkID], at now: Instant) -> [(Frame, LinkID)] {
        if !waiting.isEmpty {
            var bytes = fetches.values.reduce(0) { $0 + $1.size }
            var begun = 0
            for hash in waiting {
                let size = waitingFrom[hash]?.size ?? 0
                guard
                    fetches.count < limits.manifestFetches
                        || fetches.count < limits.smallManifestFetches
                            && bytes + size <= limits.smallManifestBytes
                else { break }
                begun += 1
                guard let order = waitingFrom.removeValue(forKey: hash) else { continue }
                bytes += size
                fetches[hash] = Fetch(size: order.size, source: order.link, lastPageAt: now)
            }
            waiting.removeFirst(begun)
        }
        var sends: [(Frame, LinkID)] = []
        for hash in fetches.keys.sorted() {
            guard var fetch = fetches[hash] else { continue }
            let isLate = now - fetch.lastPageAt >= limits.manifestTimeout
            if let source = fetch.source, !active.contains(source) || (isLate && fetch.pagesAsked > 0) {
                fetch.tried.insert(source)
                fetch.source = fetch.second
                fetch.second = nil
            }
            if let second = fetch.second, !active.contains(second) { fetch.second = nil }
            if fetch.source == nil {
                fetch.pagesAsked = 0
                fetch.source = active.first { !fetch.tried.contains($0) }
                // All were asked, and some other is waiting: that one may be to be had.
                if fetch.source == nil, isLate, !waitingFrom.isEmpty {
                    for asker in fetch.askers.keys.sorted() { sends.append((.manifestAbsent(hash), asker)) }
                    fetches[hash] = nil
                    waiting.append(hash)
                    waitingFrom[hash] = (fetch.size, nil)
                    continue
                }
                // Else from the beginning, but not before the time-out.
                if fetch.source == nil, isLate {
                    fetch.tried = []
                    fetch.source = active.first
                    fetch.lastPageAt = now
                }
                if fetch.source != nil { fetch.lastPageAt = now }
            }
            if let source = fetch.source, fetch.pagesAsked == 0 {
                sends.append((ask(hash, &fetch), source))
            } else if let second = hasten(&fetch, active: active, at: now) {
                sends.append((ask(hash, &fetch), second))
            }
            fetches[hash] = fetch
        }
        return sends
    }

    mutating func take(_ page: ManifestPage, from link: LinkID, at now: Instant) -> Outcome {
        guard var fetch = fetches[page.manifest], fetch.source == link || fetch.second == link,
            Int(page.index) == fetch.pagesHere, !fetch.isWhole
        else { return .nothing }
        let expected = min(ManifestCodec.pageBytes, fetch.size - fetch.bytes.count)
        fetch.bytes.append(contentsOf: page.bytes)
        fetch.lastPageAt = now
        if page.bytes.count != expected || (fetch.isWhole && ContentHash(of: fetch.bytes) != page.manifest) {
            return spoil(page.manifest, &fetch, by: link)
        }
        guard fetch.isWhole else {
            var frame: Frame?
            if fetch.pagesHere >= fetch.pagesAsked { frame = ask(page.manifest, &fetch) }
            fetches[page.manifest] = fetch
            return frame.map { .send($0, link) } ?? .nothing
        }
        do throws(WireError) {
            let manifest = try ManifestCodec.decode(fetch.bytes)
            held[page.manifest] = Held(bytes: fetch.bytes, manifest: manifest)
            return .complete(page.manifest)
        } catch {
            fetches[page.manifest] = nil
            broken.insert(page.manifest)
            return .broken(page.manifest, error)
        }
    }

    /// A neighbour does not hold it.
    mutating func absent(_ hash: ContentHash, from link: LinkID) {
        guard var fetch = fetches[hash] else { return }
        if fetch.second == link {
            fetch.second = nil
        } else if fetch.source == link {
            fetch.tried.insert(link)
            fetch.source = fetch.second
            fetch.second = nil
        } else {
            return
        }
        fetches[hash] = fetch
    }

    /// Whom to ask besides, where a small manifest is not here yet though nothing else keeps its source busy.
    private func hasten(_ fetch: inout Fetch, active: [LinkID], at now: Instant) -> LinkID? {
        guard let source = fetch.source, fetch.second == nil, fetch.bytes.isEmpty,
            now - fetch.lastPageAt >= limits.manifestImpatience,
            ManifestCodec.pageCount(bytes: fetch.size) <= limits.impatientPages,
            fetches.count <= limits.manifestFetches, !fetch.outwaited.contains(source)
        else { return nil }
        fetch.outwaited.insert(source)
        // The next one in order, so that not everybody asks the same.
        let others = active.filter { $0 != source && !fetch.tried.contains($0) }
        fetch.second = others.first { $0 > source } ?? others.first
        return fetch.second
    }

    /// Whoever asked while it was on its way.
    mutating func finish(_ hash: ContentHash) -> [(LinkID, ManifestPull)] {
        guard let fetch = fetches.removeValue(forKey: hash) else { return [] }
        return fetch.askers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Answers a neighbour's pull: pages, a promise to answer when it is here, or that it is not to be had.
    mutating func serve(_ pull: ManifestPull, to link: LinkID) -> [Frame] {
        guard let item = held[pull.manifest] else {
            if fetches[pull.manifest] != nil, fetches[pull.manifest]?.source != link {
                fetches[pull.manifest]?.askers[link] = pull
                return []
            }
            return [.manifestAbsent(pull.manifest)]
        }
        return Self.pages(of: item.bytes, pull)
    }

    /// The pages of a manifest that a pull asks for, as far as one pull reaches.
    static func pages(of bytes: [UInt8], _ pull: ManifestPull) -> [Frame] {
        let pages = ManifestCodec.pageCount(bytes: bytes.count)
        let first = min(Int(pull.firstPage), pages)
        let end = min(first + min(Int(pull.pageCount), pagesServedMax), pages)
        return (first..<end).map { index in
            let start = index * ManifestCodec.pageBytes
            let page = bytes[start..<min(start + ManifestCodec.pageBytes, bytes.count)]
            return .manifestPage(
                ManifestPage(manifest: pull.manifest, index: UInt32(clamping: index), bytes: Array(page)))
        }
    }

    private func ask(_ hash: ContentHash, _ fetch: inout Fetch) -> Frame {
        let first = fetch.pagesHere
        fetch.pagesAsked = first + limits.manifestWindow
        return .manifestPull(
            ManifestPull(
                manifest: hash, firstPage: UInt32(clamping: first),
                pageCount: UInt16(clamping: limits.manifestWindow)))
    }

    private mutating func spoil(_ hash: ContentHash, _ fetch: inout Fetch, by link: LinkID) -> Outcome {
        fetch.bytes = []
        fetch.source = nil
        fetch.second = nil
        fetch.pagesAsked = 0
        fetch.tried.insert(link)
        fetch.spoilt += 1
        if fetch.spoilt >= Self.spoiltMax {
            fetches[hash] = nil
            broken.insert(hash)
        } else {
            fetches[hash] = fetch
        }
        return .spoilt(hash, by: link)
    }
}
