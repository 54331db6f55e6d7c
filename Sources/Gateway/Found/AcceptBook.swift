import Catalog
import Discovery

/// Which found server stands for which rule of the configuration (``AcceptRule``).
///
/// One service is taken by one rule, and a rule keeps what it has taken: also when its announcement is gone, for that says
/// nothing of the server. It changes only for another address of the same service, or for another service when its own is
/// not announced any more.
struct AcceptBook: Sendable {
    /// A rule has got its server, or its server another address.
    struct Taken: Hashable, Sendable {
        let rule: Label
        let service: String
        let url: String
    }

    private struct Held {
        var service: String
        var url: String
    }

    private let rules: [(name: Label, rule: AcceptRule)]
    private var held: [Label: Held] = [:]

    /// - Parameter rules: in the order in which they choose.
    init(_ rules: [(name: Label, rule: AcceptRule)]) { self.rules = rules }

    /// - Parameter found: in the order in which they were first seen.
    mutating func take(_ found: [FoundServer]) -> [Taken] {
        var news: [Taken] = []
        for (name, rule) in rules {
            let others = held.filter { $0.key != name }.values
            let fitting = found.filter { server in
                rule.fits(server) && !others.contains { $0.url == server.url }
            }
            let before = held[name]
            let same =
                fitting.first { $0.url == before?.url } ?? fitting.first { $0.service == before?.service }
            let isStillThere = before.map { held in found.contains { $0.service == held.service } } ?? false
            guard let chosen = same ?? (isStillThere ? nil : fitting.first), let url = chosen.url,
                url != before?.url
            else { continue }
            held[name] = Held(service: chosen.service, url: url)
            news.append(Taken(rule: name, service: chosen.service, url: url))
        }
        return news
    }
}
