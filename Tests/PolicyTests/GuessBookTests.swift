import Catalog
import Policy
import Testing

struct GuessBookTests {
    private func source(_ address: String, isLoopback: Bool = false, _ name: String? = nil) throws
        -> GuessBook.Source
    {
        try #require(
            GuessBook.Source(address: address, isLoopback: isLoopback, name: name.map { Array($0.utf8) }))
    }

    private func at(_ seconds: Int) -> Instant { .zero + .seconds(seconds) }

    @Test func `so many failures in a minute, then one each share of it`() throws {
        var book = GuessBook()
        let guesser = try source("203.0.113.7")
        for _ in 0..<GuessBook.failuresMax {
            #expect(book.charge(guesser, at: at(100)) == nil)
        }
        #expect(book.wait(for: guesser, at: at(100)) == .seconds(6))
        #expect(book.wait(for: guesser, at: at(105)) == .seconds(1))
        #expect(book.wait(for: guesser, at: at(106)) == nil)
        #expect(book.charge(guesser, at: at(106)) == nil)
        #expect(book.charge(guesser, at: at(106)) == .seconds(6))
        #expect(book.wait(for: guesser, at: at(166)) == nil)
        #expect(try book.wait(for: source("203.0.113.8"), at: at(100)) == nil, "others are others")
    }

    @Test func `failures beyond that make nobody wait for ever`() throws {
        var book = GuessBook()
        let guesser = try source("203.0.113.7")
        for _ in 0..<10_000 { _ = book.charge(guesser, at: at(0)) }
        #expect(book.wait(for: guesser, at: at(0)) == .seconds(6))
    }

    @Test func `what was no failure is given back, and no more than that`() throws {
        var book = GuessBook()
        let source = try source("203.0.113.7")
        #expect(book.charge(source, at: at(0)) == nil)
        book.refund(source, at: at(0))
        #expect(book.count == 0)
        for _ in 0..<GuessBook.failuresMax { #expect(book.charge(source, at: at(0)) == nil) }
        book.refund(source, at: at(0))
        #expect(book.charge(source, at: at(0)) == nil)
        #expect(book.charge(source, at: at(0)) == .seconds(6))
        book.refund(source, at: at(100))
        #expect(book.count == 0, "of what is forgiven nothing is left to be given back")
    }

    @Test
    func `a host of version 6 cannot choose itself another place, and a proxy's callers are told apart`()
        throws
    {
        #expect(try source("2001:db8::1") == source("2001:db8::2:3:4:5"))
        #expect(try source("2001:db8::1") != source("2001:db8:0:1::1"))
        #expect(
            try source("127.0.0.1", isLoopback: true, "ann") != source("127.0.0.1", isLoopback: true, "bob"))
        #expect(try source("203.0.113.7", "ann") == source("203.0.113.7", "bob"))
        #expect(GuessBook.Source(address: "127.0.0.1", isLoopback: true, name: nil) == nil)
        #expect(GuessBook.Source(address: nil, isLoopback: false, name: nil) == nil)
    }

    @Test func `who guesses from everywhere does not fill the memory, nor free himself at once`() throws {
        var book = GuessBook(sourcesMax: 8)
        let guesser = try source("203.0.113.7")
        for _ in 0..<GuessBook.failuresMax { _ = book.charge(guesser, at: at(0)) }
        for host in 0..<100 { _ = book.charge(try source("198.51.100.\(host)"), at: at(0)) }
        #expect(book.count <= 8)
        #expect(book.wait(for: guesser, at: at(0)) != nil)
    }
}
