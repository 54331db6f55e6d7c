import Catalog
import JSONSlice
import Testing

@Suite struct VirtualLineageTests {
    private static let (a, b) = (NodeID(ofKey: "a".utf8), NodeID(ofKey: "b".utf8))

    /// A word after another, or after none.
    private static func word(
        _ text: String, by author: NodeID = a, after before: VirtualServerWord? = nil
    ) -> VirtualServerWord {
        VirtualServerWord(
            name: "ops", author: author, counter: (before?.counter ?? 0) + 1, replaces: before?.hash,
            definition: .string(text))
    }

    /// Where the greatest counts, as it does among nodes that are all of the mesh.
    private static func standings(_ words: [VirtualServerWord]) -> [VirtualStanding] {
        VirtualLineage.standings(of: words, standing: words.max { $1.wins(over: $0) })
    }

    private static let first = word("1")
    private static let second = word("2", after: first)
    private static let third = word("3", by: b, after: second)
    /// Said by somebody who had not heard of `second`.
    private static let other = word("other", by: b, after: first)

    @Test func `words that follow one another are replaced one by the next`() {
        let words = [Self.third, Self.first, Self.second]
        #expect(Self.standings(words) == [.stands, .replaced, .replaced])
        #expect(Self.standings([]).isEmpty)
    }

    @Test(arguments: [false, true])
    func `of two that replace the same one is overruled, also after a third`(hasThird: Bool) {
        let words = [Self.first, Self.second, Self.other] + (hasThird ? [Self.third] : [])
        let standings = Self.standings(words)
        #expect(standings.filter { $0 == .overruled }.count == 1)
        #expect(standings[0] == .replaced)
        if hasThird { #expect(standings[2] == .overruled && standings[1] == .replaced) }
    }

    @Test func `where what was between is unknown nobody is told of a conflict that may be none`() {
        let later = Self.word("9", after: Self.word("8", after: Self.third))
        #expect(
            Self.standings([later, Self.first, Self.second]) == [.stands, .replaced, .replaced])
    }

    @Test func `one that stands right below an unknown one is overruled`() {
        // `third` replaced `second`, which this node never saw; it saw `other` instead, of the same number.
        #expect(
            Self.standings([Self.third, Self.other, Self.first]) == [
                .stands, .overruled, .replaced,
            ])
    }

    @Test func `the same words by two authors are no conflict`() {
        let same = Self.word("2", by: Self.b, after: Self.first)
        #expect(
            Self.standings([Self.second, same, Self.first]).filter { $0 == .overruled }.isEmpty)
        let all = Self.standings([Self.third, Self.second, same, Self.first])
        #expect(all == [.stands, .replaced, .replaced, .replaced])
    }

    @Test
    func
        `a greater word that does not count is nobody's loss, and without one that counts there is no conflict`()
    {
        let words = [Self.third, Self.second, Self.first]
        #expect(
            VirtualLineage.standings(of: words, standing: Self.second) == [.replaced, .stands, .replaced])
        #expect(VirtualLineage.standings(of: words, standing: nil).allSatisfy { $0 == .replaced })
    }

    @Test func `going back leads to what was replaced, not to what was lost beside it`() throws {
        let words = [Self.second, Self.other, Self.first].sorted { $0.wins(over: $1) }
        let standings = Self.standings(words)
        let place = try #require(VirtualLineage.before(words[0], among: words, standings))
        #expect(words[place] == Self.first)
        // Nor where what was replaced is not at hand.
        let later = Self.word("9", by: Self.b, after: Self.word("8", after: Self.third))
        let known = [later, Self.third, Self.first]
        let back = VirtualLineage.before(later, among: known, Self.standings(known))
        #expect(back.map { known[$0] } == Self.third)
        #expect(VirtualLineage.before(Self.first, among: [Self.first], [.stands]) == nil)
        // Whoever said the last one is of the mesh no more.
        #expect(VirtualLineage.before(nil, among: [Self.second, Self.first], [.replaced, .replaced]) == 0)
    }

    @Test func `the greatest numbers there are do no harm`() {
        let greatest = ["a", "b", "c"].map { text in
            VirtualServerWord(
                name: "ops", author: Self.b, counter: .max, replaces: Self.first.hash,
                definition: .string(text))
        }
        #expect(Self.standings(greatest).filter { $0 == .stands }.count == 1)
        #expect(Self.standings(greatest + [Self.first]).last == .replaced)
    }

    @Test func `a removal is a word like any other`() {
        let removed = VirtualServerWord(
            name: "ops", author: Self.b, counter: 2, replaces: Self.first.hash, definition: nil)
        #expect(Self.standings([Self.first, removed]) == [.replaced, .stands])
        #expect(removed.record == nil && Self.first.record?.counter == 1)
    }

    @Test func `every order of the same words tells the same`() {
        let words = [Self.first, Self.second, Self.third, Self.other]
        let told = Dictionary(uniqueKeysWithValues: zip(words, Self.standings(words)))
        for shift in 1..<words.count {
            let turned = Array(words[shift...] + words[..<shift])
            #expect(
                Dictionary(uniqueKeysWithValues: zip(turned, Self.standings(turned))) == told)
        }
    }
}
