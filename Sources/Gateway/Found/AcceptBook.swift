import Catalog
import Discovery

/// Which found server stands for which rule of the configuration (``AcceptRule``).
///
/// One service is taken by one rule, and a rule keeps what it has taken: also when its announcement is gone, for that says
/// nothing of the server, and whoever wants to be taken in its place could send the goodbye. It changes only to another
/// address of the same service on the same host, once its own is announced no more.
struct AcceptBook: Sendable {
    /// A rule has got its server, or its server another address.
    struct Taken: Hashable, Sendable {
        let rule: Label
        let service: String
        let url: String
    }

    private struct Held {
        let service: String
        let hostName: String
        let url: String
    }

    private let rules: [(name: Label, rule: AcceptRule)]
    private var held: [Label: Held] = [:]

    /// - Parameter rules: in the order in which they choose.
    init(_ rules: [(name: Label, rule: AcceptRule)]) { self.rules = rules }

    /// - Parameter found: in the order in which they were first seen.
    mutating func take(_ found: [FoundServer]) -> [Taken] {
        var news: [Taken] = []
        for (name, rule) in rules {
            var eligible = found
            if let before = held[name] {
                eligible = found.filter {
                    $0.service == before.service && $0.hostName == before.hostName
                }
                // Other ways to it that come and go are no news.
                if eligible.contains(where: { $0.urls.contains(before.url) }) { continue }
            }
            let others = Set(held.filter { $0.key != name }.values.map(\.url))
            for server in eligible where others.isDisjoint(with: server.urls) {
                guard let url = rule.place(in: server)?.url else { continue }
                held[name] = Held(service: server.service, hostName: server.hostName, url: url)
                news.append(Taken(rule: name, service: server.service, url: url))
                break
            }
        }
        return news
    }
}
