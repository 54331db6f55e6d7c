/// How many `dns+srv://` seeds name each address: it is there while one of them does.
struct SeedTally: Sendable {
    private var counts: [PeerAddress: Int] = [:]

    /// - Parameter changes: of one seed.
    /// - Returns: what has changed for all seeds together.
    mutating func take(_ changes: [SRVSeed.Change]) -> [SRVSeed.Change] {
        changes.filter { change in
            switch change {
            case .appeared(let address):
                counts[address, default: 0] += 1
                return counts[address] == 1
            case .vanished(let address):
                guard let count = counts[address] else { return false }
                counts[address] = count > 1 ? count - 1 : nil
                return count == 1
            }
        }
    }
}
