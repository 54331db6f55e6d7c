import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Storage
import Testing

@testable import Gateway
@testable import MCPTransport

struct ServerBookTests {
    private func book(isEnabled: Bool = true) -> ServerBook {
        let definition = ServerDefinition(
            name: "press",
            transport: .stdio(command: "press", arguments: [], environment: [], directory: nil),
            title: "The press", tags: ["loud"], isEnabled: isEnabled)
        return ServerBook(definition: definition, origin: .command, at: WallTime(milliseconds: 1_000))
    }

    private func listing(_ definitions: JSON..., remarks: [String] = []) -> BackendListing {
        BackendListing(
            era: .legacy, revision: .v2025_06_18, serverInfo: ["name": "press"], instructions: "Stamp.",
            capabilities: ["tools": [:]], entries: definitions.map { (.tools, $0) }, remarks: remarks)
    }

    private let stamp: JSON = ["name": "stamp", "inputSchema": ["type": "object"]]

    @Test func `only what the mesh must hear of is news`() {
        var book = book()
        let told: [(event: BackendEvent, isNews: Bool)] = [
            (.state(.up, reason: ""), true), (.state(.up, reason: ""), false),
            (.state(.down, reason: "it exited"), true), (.state(.down, reason: "it exited again"), false),
            (.listed(listing(stamp)), true), (.listed(listing(stamp)), false),
        ]
        let news = told.map { book.take($0.event, at: WallTime(milliseconds: 2_000)) }
        #expect(news == told.map(\.isNews))
    }

    @Test func `a listing becomes a manifest, in its order`() {
        var book = book()
        _ = book.take(.listed(listing(["name": "b"], ["name": "a"])), at: WallTime(milliseconds: 2_000))
        #expect(book.manifest?.entries.map(\.name) == ["b", "a"])
        #expect(book.manifest?.instructions == "Stamp.")
        #expect(book.revision == "2025-06-18")
        #expect(book.remarks.isEmpty)
    }

    @Test func `what cannot be listed is left out and told`() {
        var book = book()
        let huge = JSON.object([
            ("name", "huge"), ("description", .string(String(repeating: "x", count: Entry.bytesMax))),
        ])
        _ = book.take(
            .listed(listing(stamp, ["title": "no name"], huge, remarks: ["one more"])),
            at: WallTime(milliseconds: 2_000))
        #expect(book.manifest?.entries.map(\.name) == ["stamp"])
        #expect(book.remarks == ["one more", "2 entries were left out: no name, or over 256 KiB"])
        _ = book.take(.listed(listing(stamp)), at: WallTime(milliseconds: 2_000))
        #expect(book.remarks.isEmpty)
    }

    @Test func `a server has said how it fares once it is up with its lists, or is not to be had`() {
        var book = book()
        #expect(!book.isSettled)
        _ = book.take(.state(.up, reason: ""), at: WallTime(milliseconds: 2_000))
        #expect(!book.isSettled, "up, and its lists are still on the way")
        _ = book.take(.listed(listing(stamp)), at: WallTime(milliseconds: 2_000))
        #expect(book.isSettled)
        for state in [BackendEvent.state(.down, reason: "it exited"), .state(.authNeeded, reason: "401")] {
            var other = self.book()
            _ = other.take(state, at: WallTime(milliseconds: 2_000))
            #expect(other.isSettled)
        }
        #expect(self.book(isEnabled: false).isSettled)
    }

    @Test func `the catalog shows a server once it has the very lists that the server last gave`() {
        var book = book()
        var snapshot = CatalogSnapshot(me: .here)
        let key = ServerKey(owner: .here, name: "press")
        #expect(Node.shows([book], snapshot), "it has no lists yet")
        _ = book.take(.listed(listing(stamp)), at: WallTime(milliseconds: 2_000))
        #expect(!Node.shows([book], snapshot))
        snapshot.servers[key] = .init(record: book.record(owner: .here), manifest: book.manifest)
        #expect(Node.shows([book], snapshot))
        _ = book.take(
            .listed(listing(stamp, ["name": "press", "inputSchema": ["type": "object"]])),
            at: WallTime(milliseconds: 2_000))
        #expect(!Node.shows([book], snapshot), "those are the lists of before")
    }

    @Test func `the record says how it fares and what is missing`() {
        var book = book()
        _ = book.take(.state(.authNeeded, reason: "401"), at: WallTime(milliseconds: 2_000))
        let record = book.record(owner: .here)
        #expect(record.key == ServerKey(owner: .here, name: "press"))
        #expect(record.title == "The press" && record.tags == ["loud"])
        #expect(record.state == .authNeeded && record.stateReason == "401" && record.auth == .missing)
    }

    @Test func `asked again it is what it was, since when it was, until it has said how it fares`() {
        let words: [(before: BackendEvent, after: BackendEvent, since: UInt64, isNews: Bool)] = [
            (.state(.up, reason: ""), .state(.up, reason: ""), 2, false),
            (.state(.down, reason: "it exited"), .state(.down, reason: "HTTP 502"), 2, false),
            (.state(.down, reason: "it exited"), .state(.up, reason: ""), 5, true),
        ]
        for word in words {
            var book = book()
            _ = book.take(.listed(listing(stamp)), at: WallTime(milliseconds: 1_000))
            _ = book.take(word.before, at: WallTime(milliseconds: 2_000))
            let before = book.record(owner: .here)
            book.askAgain()
            #expect(!book.isSettled && book.record(owner: .here) == before)
            if case .state(.down, _) = word.before {
                // One that is up is only listed again.
                let isNews = book.take(.state(.starting, reason: ""), at: WallTime(milliseconds: 4_000))
                #expect(!isNews && !book.isSettled)
            }
            let isNews = book.take(word.after, at: WallTime(milliseconds: 5_000))
            #expect(isNews == word.isNews && book.isSettled && book.since.seconds == word.since, "\(word)")
        }
        var off = book(isEnabled: false)
        off.askAgain()
        #expect(off.isSettled && off.state == .disabled && off.reason.contains("enabled: false"))
    }

    @Test func `it shows the reason of the latest attempt, and spreads that of the first`() {
        var book = book()
        let told: [(event: BackendEvent, reason: String, isNews: Bool)] = [
            (.state(.down, reason: "it exited (1)"), "it exited (1)", true),
            (.state(.starting, reason: ""), "it exited (1)", false),
            (.state(.starting, reason: "it writes noise"), "it writes noise", false),
            (.state(.down, reason: "no answer"), "no answer", false),
            (.state(.authNeeded, reason: "HTTP 401"), "HTTP 401", true),
        ]
        for word in told {
            let isNews = book.take(word.event, at: WallTime(milliseconds: 2_000))
            #expect(isNews == word.isNews && book.reason == word.reason, "\(word)")
        }
    }

    @Test func `of one that is degraded another reason is news, and another figure in it is none`() {
        var book = book()
        _ = book.take(.listed(listing(stamp)), at: WallTime(milliseconds: 1_000))
        let told: [(reason: String, isNews: Bool)] = [
            ("its last 3 calls failed", true), ("its last 4 calls failed", false),
            ("its last 12 calls failed", false), ("its lists could not be read again", true),
        ]
        for word in told {
            let isNews = book.take(
                .state(.degraded, reason: word.reason), at: WallTime(milliseconds: 2_000))
            #expect(isNews == word.isNews && book.reason == word.reason, "\(word)")
        }
    }

    @Test func `it says since when it is in its state, and attempts in vain change nothing`() {
        var book = book()
        let told: [(event: BackendEvent, second: Int64, state: ServerState, since: UInt64)] = [
            (.state(.starting, reason: ""), 5, .starting, 1), (.state(.up, reason: ""), 7, .up, 7),
            (.state(.up, reason: "a remark"), 8, .up, 7),
            (.state(.degraded, reason: "slow"), 9, .degraded, 9),
            (.state(.down, reason: "gone"), 10, .down, 10), (.state(.starting, reason: ""), 11, .down, 10),
            (.state(.down, reason: "gone"), 12, .down, 10), (.state(.up, reason: ""), 20, .up, 20),
        ]
        for word in told {
            _ = book.take(word.event, at: WallTime(milliseconds: word.second * 1_000))
            let record = book.record(owner: .here)
            #expect(record.state == word.state && record.stateSince == word.since, "\(word)")
        }
    }

    @Test func `the last answer stands, however late it is told`() {
        var book = book()
        #expect(book.record(owner: .here).lastSuccess == 0)
        book.answered(at: WallTime(milliseconds: 9_999))
        book.answered(at: WallTime(milliseconds: 4_000))
        #expect(book.record(owner: .here).lastSuccess == 9)
    }
}
