import Gateway
import Testing

struct MemoryReturnTests {
    private static let most = MemoryReturn.worthwhile

    /// Looks as often as it takes for something that stands still.
    private func isDue(_ memory: inout MemoryReturn, at resident: Int) -> Bool {
        var isDue = false
        for _ in 0...MemoryReturn.stillFor where memory.isDue(resident: resident) { isDue = true }
        return isDue
    }

    @Test func `a node at rest gives nothing back`() {
        var memory = MemoryReturn()
        let atRest = isDue(&memory, at: Self.most - 1)
        #expect(!atRest)
    }

    @Test func `what is left of a rush goes back once it grows no more, and once only`() {
        var memory = MemoryReturn()
        for step in 1...20 {
            let whileItGrows = memory.isDue(resident: step * Self.most)
            #expect(!whileItGrows)
        }
        let afterIt = isDue(&memory, at: 20 * Self.most)
        #expect(afterIt)
        memory.gaveBack(leaving: 2 * Self.most)
        let inUse = isDue(&memory, at: 2 * Self.most)
        let little = isDue(&memory, at: 3 * Self.most - 1)
        let enough = isDue(&memory, at: 3 * Self.most)
        #expect(!inUse && !little && enough)
    }

    @Test func `a page now and then is no growth`() {
        var memory = MemoryReturn()
        var due: [Bool] = []
        for step in 0...MemoryReturn.stillFor {
            due.append(memory.isDue(resident: Self.most + step * MemoryReturn.hardly))
        }
        #expect(due == Array(repeating: false, count: MemoryReturn.stillFor) + [true])
    }

    @Test func `what shrinks by itself is measured from where it came to`() {
        var memory = MemoryReturn()
        memory.gaveBack(leaving: 10 * Self.most)
        let shrunk = isDue(&memory, at: 5 * Self.most)
        let grownAgain = isDue(&memory, at: 6 * Self.most)
        #expect(!shrunk && grownAgain)
    }
}
