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

    private static let first = word("1")
    private static let second = word("2", after: first)
    private static let third = word("3", by: b, after: second)
    /// Said by somebody who had not heard of `second`.
    private static let other = word("other", by: b, after: first)

    @Test func `words that follow one another are replaced one by the next`() {
        let words = [Self.third, Self.first, Self.second]
        #expect(VirtualLineage.standings(of: words) == [.stands, .replaced, .replaced])
        #expect(VirtualLineage.standings(of: []).isEmpty)
    }

    @Test(arguments: [false, true])
    func `of two that replace the same one is overruled, also after a third`(hasThird: Bool) {
        let words = [Self.first, Self.second, Self.other] + (hasThird ? [Self.third] : [])
        let standings = VirtualLineage.standings(of: words)
        #expect(standings.filter { $0 == .overruled }.count == 1)
        #expect(standings[0] == .replaced)
        if hasThird { #expect(standings[2] == .overruled && standings[1] == .replaced) }
    }

    @Test func `where what was between is unknown nobody is told of a conflict that may be none`() {
        let later = Self.word("9", after: Self.word("8", after: Self.third))
        #expect(
            VirtualLineage.standings(of: [later, Self.first, Self.second]) == [.stands, .replaced, .replaced])
    }

    @Test func `one that stands right below an unknown one is overruled`() {
        // `third` replaced `second`, which this node never saw; it saw `other` instead, of the same number.
        #expect(
            VirtualLineage.standings(of: [Self.third, Self.other, Self.first]) == [
                .stands, .overruled, .replaced,
            ])
    }

    @Test func `the same words by two authors are no conflict`() {
        let same = Self.word("2", by: Self.b, after: Self.first)
        #expect(
            VirtualLineage.standings(of: [Self.second, same, Self.first]).filter { $0 == .overruled }.isEmpty)
        let all = VirtualLineage.standings(of: [Self.third, Self.second, same, Self.first])
        #expect(all == [.stands, .replaced, .replaced, .replaced])
    }

    @Test func `a removal is a word like any other`() {
        let removed = VirtualServerWord(
            name: "ops", author: Self.b, counter: 2, replaces: Self.first.hash, definition: nil)
        #expect(VirtualLineage.standings(of: [Self.first, removed]) == [.replaced, .stands])
        #expect(removed.record == nil && Self.first.record?.counter == 1)
    }

    @Test func `every order of the same words tells the same`() {
        let words = [Self.first, Self.second, Self.third, Self.other]
        let told = Dictionary(uniqueKeysWithValues: zip(words, VirtualLineage.standings(of: words)))
        for shift in 1..<words.count {
            let turned = Array(words[shift...] + words[..<shift])
            #expect(
                Dictionary(uniqueKeysWithValues: zip(turned, VirtualLineage.standings(of: turned))) == told)
        }
    }
}
