import Catalog
import JSONSlice
import MartletTestKit

/// Lists of tools that look like people's: sentences of words that do not repeat from tool to tool, a few described parameters each.
struct Tools {
    private static let words = """
        account address agent amount archive attach author backup batch branch budget build bucket cache calendar cancel change channel
        charge check client cluster code column comment commit compare config connect contact container contract convert copy count course
        create currency customer dashboard data date default delete deploy detail device diff directory disk document domain draft edit email
        employee endpoint entry error estimate event execute expand export field file filter find folder forecast format function gateway
        generate graph group handle host identifier image import inbox index input insert inspect invoice issue item join journal key label
        language latest layer ledger length level limit link list load location lock log lookup machine mailbox manage margin match measure
        member merge message metric migrate minimum mirror model module monitor move network node note notify number object offer open order
        output owner package page parse part patch path payload payment permission person phone pipeline plan point policy pool port position
        preview price print priority process product profile project prompt property provider publish purchase query queue quota random range
        rate read receive record refund region release remove rename render replace report repository request reserve reset resolve resource
        response restore result return review role rotate route rule run sample save scale schedule schema scope screen search section select
        send sensor server service session set shape share shift signal size snapshot sort source space split stage start state status step
        stock stop store stream string style subject submit subscribe summary supplier support sync system table tag target task team template
        tenant test text theme thread ticket time title token topic total trace track transfer translate trigger type unit update upload usage
        user validate value vendor verify version view visit volume wait warehouse watch weather week weight window word work write year zone
        """.split { $0 == " " || $0 == "\n" }.map(String.init)
    private static let small = [
        "the", "of", "a", "to", "and", "in", "for", "by", "with", "from", "that is", "or", "on", "as", "each",
    ]

    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private mutating func word() -> String {
        Self.words[Int.random(in: 0..<Self.words.count, using: &random)]
    }

    private mutating func sentence(_ length: ClosedRange<Int>) -> String {
        (0..<Int.random(in: length, using: &random)).map { place in
            place % 2 == 1 ? Self.small[Int.random(in: 0..<Self.small.count, using: &random)] : word()
        }.joined(separator: " ")
    }

    mutating func manifest(_ count: Int) throws -> Manifest {
        let entries = try (0..<count).map { number in
            let properties = (0..<Int.random(in: 1...4, using: &random)).map { place in
                "\"\(word())_\(place)\":{\"type\":\"string\",\"description\":\"\(sentence(4...9))\"}"
            }
            let definition = try JSON(
                validating: """
                    {"name":"\(word())_\(word())_\(number)","description":"\(sentence(12...30)).","inputSchema":\
                    {"type":"object","properties":{\(properties.joined(separator: ","))}}}
                    """)
            return try Entry(kind: .tool, definition: definition).orFail("an entry")
        }
        return Manifest(
            entries: entries, instructions: sentence(10...20),
            capabilities: try JSON(validating: #"{"tools":{}}"#),
            serverInfo: try JSON(validating: #"{"name":"sample","version":"1.0"}"#))
    }
}
