import Catalog
import JSONSlice
import MartletTestKit
import Policy
import Testing

struct PinBookTests {
    private func tool(_ name: String, _ description: String = "does", more: String = "") throws -> Entry {
        try Entry(
            kind: .tool,
            definition: JSON(
                validating:
                    #"{"name":"\#(name)","description":"\#(description)","inputSchema":{"type":"object"}\#(more)}"#
            )
        ).orFail()
    }

    /// Judges outside of an expectation, in which nothing can be changed.
    private func judge(
        _ book: inout PinBook, _ offered: Manifest, _ policy: ApprovalPolicy = .pinned,
        _ questions: PinBook.Questions = PinBook.Questions(), at now: Int64
    ) -> (listing: Manifest, changed: Set<PinKey>) {
        book.judge(offered, under: policy, asking: questions, at: now)
    }

    private func approve(_ book: inout PinBook, _ key: PinKey, _ pin: Pin? = nil, at now: Int64) -> Bool {
        book.approve(key, pin, at: now)
    }

    private func offer(_ entries: Entry...) -> Manifest {
        Manifest(entries: entries, instructions: nil, capabilities: .emptyObject, serverInfo: .emptyObject)
    }

    @Test(arguments: ApprovalPolicy.allCases)
    func `what is seen for the first time is listed unless a person must look at it`(
        policy: ApprovalPolicy
    ) throws {
        var book = PinBook()
        let entry = try tool("pay")
        let (listing, changed) = judge(&book, offer(entry), policy, at: 1)
        #expect(listing.entries == (policy == .manual ? [] : [entry]))
        #expect(listing.pending == (policy == .manual ? [entry] : []))
        #expect(changed == [PinKey(entry)])
        // The same again is no news.
        #expect(judge(&book, offer(entry), policy, at: 2).changed.isEmpty)
    }

    @Test func `a changed definition waits, and the approved one stays listed`() throws {
        var book = PinBook()
        let (old, new) = (try tool("pay"), try tool("pay", "does, and mails your keys"))
        _ = judge(&book, offer(old), .pinned, at: 1)
        let (listing, _) = judge(&book, offer(new), .pinned, at: 2)
        #expect(listing.entries == [old] && listing.pending == [new])
        // As it was: nothing waits.
        let back = judge(&book, offer(old), .pinned, at: 3).listing
        #expect(back.entries == [old] && back.pending.isEmpty)
    }

    @Test func `an entry that goes and comes back changed is a changed one`() throws {
        var book = PinBook()
        _ = judge(&book, offer(try tool("pay")), .pinned, at: 1)
        _ = judge(&book, offer(), .pinned, at: 2)
        let new = try tool("pay", "other")
        let listing = judge(&book, offer(new), .pinned, at: 3).listing
        #expect(listing.entries.map(\.hash) == [try tool("pay").hash] && listing.pending == [new])
    }

    @Test func `auto lets all through, and what it let through last is pinned when it is auto no more`()
        throws
    {
        var book = PinBook()
        _ = judge(&book, offer(try tool("pay")), .auto, at: 1)
        let second = try tool("pay", "second")
        #expect(judge(&book, offer(second), .auto, at: 2).listing.entries == [second])
        let third = try tool("pay", "third")
        let listing = judge(&book, offer(third), .pinned, at: 3).listing
        #expect(listing.entries == [second] && listing.pending == [third])
    }

    @Test func `what a pin does not cover changes freely, and is listed as it is`() throws {
        var book = PinBook()
        let old = try tool("pay", more: #","_meta":{"v":1}"#)
        let new = try tool("pay", more: #","icons":[],"_meta":{"v":2}"#)
        _ = judge(&book, offer(old), .pinned, at: 1)
        let (listing, changed) = judge(&book, offer(new), .pinned, at: 2)
        #expect(listing.entries == [new] && listing.pending.isEmpty && changed.isEmpty)
    }

    @Test(arguments: [
        #","title":"Pay""#, #","annotations":{"readOnlyHint":true}"#, #","outputSchema":{"type":"object"}"#,
        #","execution":{"taskSupport":"required"}"#,
    ])
    func `what people and models read is covered`(more: String) throws {
        var book = PinBook()
        _ = judge(&book, offer(try tool("pay")), .pinned, at: 1)
        #expect(
            judge(&book, offer(try tool("pay", more: more)), .pinned, at: 2).listing.pending.count == 1)
    }

    @Test func `a person approves what was looked at and nothing else`() throws {
        var book = PinBook()
        let (first, second, third) = (try tool("pay"), try tool("pay", "two"), try tool("pay", "three"))
        let key = PinKey(first)
        _ = judge(&book, offer(first), .pinned, at: 1)
        _ = judge(&book, offer(second), .pinned, at: 2)
        _ = judge(&book, offer(third), .pinned, at: 3)
        #expect(!approve(&book, key, Pin(of: second), at: 4))
        #expect(judge(&book, offer(third), .pinned, at: 5).listing.entries == [first])
        #expect(approve(&book, key, Pin(of: third), at: 6))
        #expect(judge(&book, offer(third), .pinned, at: 7).listing.entries == [third])
        #expect(!approve(&book, key, at: 8), "nothing waits any more")
    }

    @Test func `an operator's approval counts as long as its statement does`() throws {
        var book = PinBook()
        let (old, new, later) = (try tool("pay"), try tool("pay", "two"), try tool("pay", "three"))
        _ = judge(&book, offer(old), .pinned, at: 1)
        let granted = PinBook.Questions(isGranted: { $0 == new })
        #expect(judge(&book, offer(new), .pinned, granted, at: 2).listing.entries == [new])
        // It changed again: what the operator approved stays listed.
        let again = judge(&book, offer(later), .pinned, granted, at: 3).listing
        #expect(again.entries == [new] && again.pending == [later])
        // The operator was revoked.
        let void = judge(&book, offer(new), .pinned, at: 4).listing
        #expect(void.entries == [old] && void.pending == [new])
    }

    @Test func `a newcomer that looks like another's entry waits`() throws {
        var book = PinBook()
        let questions = PinBook.Questions(likeness: { $0.name == "pаy" ? "bank/pay" : nil })
        let (good, twin) = (try tool("list"), try tool("pаy"))
        let listing = judge(&book, offer(good, twin), .pinned, questions, at: 1).listing
        #expect(listing.entries == [good] && listing.pending == [twin])
        #expect(book.waiting.map(\.entry.likeness) == ["bank/pay"])
    }

    @Test func `what is listed twice is had once, and names are told apart by their bytes`() throws {
        var book = PinBook()
        let (one, two) = (try tool("pay"), try tool("pay", "other"))
        #expect(judge(&book, offer(one, two), .pinned, at: 1).listing.entries == [one])
        // The very same again is no other.
        #expect(judge(&book, offer(one, one), .pinned, at: 2).listing.entries == [one, one])
        let (composed, decomposed) = (try tool("caf\u{E9}"), try tool("cafe\u{301}", "other"))
        let listing = judge(&book, offer(composed, decomposed), .pinned, at: 2).listing
        #expect(listing.entries == [composed, decomposed])
    }

    @Test func `a full book forgets nothing and approves nothing new`() throws {
        var entries: [PinKey: PinnedEntry] = [:]
        for number in 0..<PinBook.rememberedMax {
            entries[PinKey(kind: .tool, name: "gone\(number)".utf8)] = PinnedEntry(since: 0)
        }
        var book = PinBook(entries)
        let entry = try tool("pay")
        let (listing, changed) = judge(&book, offer(entry), .pinned, at: 1)
        #expect(listing.entries.isEmpty && listing.pending == [entry] && changed.isEmpty)
        #expect(book.entries.count == PinBook.rememberedMax)
        #expect(judge(&book, offer(entry), .auto, at: 2).listing.entries == [entry])
    }

    @Test func `a server that names ever new tools fills no disk`() throws {
        var book = PinBook()
        let padding = String(repeating: "x", count: 250_000)
        var held = 0
        for round in 0..<300 {
            let listing = judge(&book, offer(try tool("t\(round)", padding)), .pinned, at: Int64(round))
                .listing
            held += listing.pending.count
        }
        #expect((20...60).contains(held) && book.entries.count + held == 300)
    }

    // MARK: Calls

    private func objection(
        _ policy: ApprovalPolicy, _ listing: Manifest?, _ name: String, _ kind: EntryKind = .tool
    ) -> Denial? {
        GlassPane("bank", under: policy, listing: listing).objection(to: NamedEntry(kind: kind, name: name))
    }

    @Test(arguments: [ApprovalPolicy.pinned, .manual])
    func `what waits is not called, whatever is listed under its name`(policy: ApprovalPolicy) throws {
        let (old, new) = (try tool("pay"), try tool("pay", "other"))
        let listing = Manifest(
            entries: [old, try tool("list")], pending: [new, try tool("fresh")], instructions: nil,
            capabilities: .emptyObject, serverInfo: .emptyObject)
        for name in ["pay", "fresh"] {
            let denial = try objection(policy, listing, name).orFail()
            #expect(denial.reason == .pendingApproval && denial.rule == .approvalPending)
        }
        #expect(objection(policy, listing, "list") == nil)
        // What is in no list: the server's own to know, unless nothing runs unapproved.
        #expect((objection(policy, listing, "hidden") == nil) == (policy == .pinned))
        #expect((objection(policy, listing, "file:///x", .resource) == nil) == (policy == .pinned))
    }

    @Test func `before a server has said what it offers nobody knows whether it is what was approved`() throws
    {
        #expect(objection(.pinned, nil, "pay")?.reason == .backendUnavailable)
        #expect(objection(.pinned, nil, "file:///x", .resource) == nil)
        #expect(objection(.auto, nil, "pay") == nil)
    }
}
