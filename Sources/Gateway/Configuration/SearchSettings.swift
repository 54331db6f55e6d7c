package import Composition
import JSONSlice
import Vault

/// How the catalog is searched.
package struct SearchSettings: Hashable, Sendable {
    /// `nil`: the compiled-in model says what texts mean.
    package var embeddings: EmbeddingSettings?

    package init(reading section: inout ConfigSection) {
        embeddings = section.section("embeddings") { EmbeddingSettings(reading: &$0) } ?? nil
    }

    var json: JSON { embeddings.map { ["embeddings": $0.json] } ?? .emptyObject }
}

/// An endpoint that says what texts mean, in the shape of OpenAI's.
package struct EmbeddingSettings: Hashable, Sendable {
    /// Where it stands in the configuration; also whom its secret is for.
    static let path = "search.embeddings"
    package static let dimensionsDefault = 256
    /// An index adds up so many products without overflow.
    package static let dimensionsRange = 1...512
    package static let timeoutDefault = Duration.seconds(5)
    /// Somebody waits for a search.
    package static let timeoutRange = Duration.milliseconds(100)...Duration.seconds(60)
    private static let modelLengthMax = 256

    package var url: String
    package var model: String
    package var dimensions: Int
    package var auth: ServerDefinition.Auth?
    /// How long a search waits for its query's vector.
    package var timeout: Duration

    init(
        url: String, model: String, dimensions: Int = dimensionsDefault, auth: ServerDefinition.Auth? = nil,
        timeout: Duration = timeoutDefault
    ) {
        self.url = url
        self.model = model
        self.dimensions = dimensions
        self.auth = auth
        self.timeout = timeout
    }

    /// - Returns: `nil` when there is no telling what to ask; the section then has a problem.
    package init?(reading section: inout ConfigSection) {
        let url = section.required("url")
        if let problem = url.flatMap(BackendURL.problem) { section.report("url", problem) }
        if !section.has("model") { section.report("model", "is missing") }
        let model = section.parsed("model", expecting: "a name of at most \(Self.modelLengthMax) characters")
        {
            (1...Self.modelLengthMax).contains($0.count) ? $0 : nil
        }
        dimensions = section.integer(
            "dimensions", default: Self.dimensionsDefault, in: Self.dimensionsRange)
        auth = section.section("auth") { ServerDefinition.Auth(reading: &$0) } ?? nil
        if let auth, auth.header == nil {
            section.report("auth", "takes bearer, basic or header here")
        }
        timeout = section.duration("timeout", default: Self.timeoutDefault, in: Self.timeoutRange)
        guard let url, let model else { return nil }
        self.url = url
        self.model = model
    }

    var json: JSON {
        var members: [(String, JSON)] = [
            ("url", .string(url)), ("model", .string(model)), ("dimensions", .number(dimensions)),
        ]
        if let auth { members.append(("auth", auth.json)) }
        members.append(("timeout", .string(DurationText.spell(timeout))))
        return .object(members)
    }

    /// Whom its secret opens for.
    var audience: SecretAudience? { try? SecretAudience(setting: Self.path, url: url) }
}
