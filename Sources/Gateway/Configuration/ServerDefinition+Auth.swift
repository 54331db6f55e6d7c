import Catalog
import Composition
import JSONSlice
import Tokens

/// `auth` of a server, in and out.
extension ServerDefinition.Auth {
    init?(reading section: inout ConfigSection) {
        let bearer = section.section("bearer") { $0.secret("secret") } ?? nil
        let basic = section.section("basic") { ($0.required("user"), $0.secret("secret")) }
        let header = section.section("header") { part in
            let name = part.required("name")
            if let problem = name.flatMap(ServerDefinition.Transport.headerProblem) {
                part.report("name", problem)
            }
            return (name, part.secret("secret"))
        }
        let query = section.section("query") { part in
            let name = part.parsed("name", expecting: "the name of a query parameter, as in api_key") {
                HeaderName.isToken($0) && $0.utf8.count <= 128 ? $0 : nil
            }
            if !part.has("name") { part.report("name", "is missing") }
            return (name, part.secret("secret"))
        }
        let client =
            section.section("clientCredentials") { ServerDefinition.ClientCredentials(reading: &$0) } ?? nil
        for key in ["oauth", "tokenExchange"] { section.later(key) }
        let chosen = section.keysSet
        guard chosen.count == 1 else {
            section.report(
                chosen.isEmpty
                    ? "says nothing; give one of bearer, basic, header, query, clientCredentials"
                    : "gives \(chosen.joined(separator: " and ")); a server takes one credential")
            return nil
        }
        if let bearer {
            self = .bearer(secret: bearer)
        } else if case (let user?, let secret?)? = basic {
            self = .basic(user: user, secret: secret)
        } else if case (let name?, let secret?)? = header {
            self = .header(name: name, secret: secret)
        } else if case (let name?, let secret?)? = query {
            self = .query(name: name, secret: secret)
        } else if let client {
            self = .clientCredentials(client)
        } else {
            return nil
        }
    }

    /// The header it is sent in.
    package var headerName: String? {
        switch self {
        case .bearer, .basic, .clientCredentials: "Authorization"
        case .header(let name, _): name
        case .query: nil
        }
    }

    var json: JSON {
        switch self {
        case .bearer(let secret): ["bearer": ["secret": .string(secret.text)]]
        case .basic(let user, let secret): ["basic": ["user": .string(user), "secret": .string(secret.text)]]
        case .header(let name, let secret):
            ["header": ["name": .string(name), "secret": .string(secret.text)]]
        case .query(let name, let secret):
            ["query": ["name": .string(name), "secret": .string(secret.text)]]
        case .clientCredentials(let client): ["clientCredentials": client.json]
        }
    }
}

/// `servers.NAME.auth.clientCredentials`, in and out.
extension ServerDefinition.ClientCredentials {
    /// - Returns: `nil` when there is no telling who this node is there; the section then has a problem.
    init?(reading section: inout ConfigSection) {
        if !section.has("clientId") {
            section.report("clientId", "is missing: what the authorization server calls this node")
        }
        let clientID = section.parsed("clientId", expecting: "text of at most \(Self.idLengthMax) characters")
        {
            (1...Self.idLengthMax).contains($0.utf8.count) && $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
                ? $0 : nil
        }
        let secret = section.label("secret")
        let key = section.label("key")
        let keyID = section.parsed("keyId", expecting: "text of at most \(Self.idLengthMax) characters") {
            (1...Self.idLengthMax).contains($0.utf8.count) ? $0 : nil
        }
        issuer = section.parsed(
            "issuer",
            expecting: "the URL by which the authorization server calls itself (https, or http on this host)"
        ) { text in
            guard text.utf8.count <= Self.issuerLengthMax, let address = WebAddress(text),
                address.query.isEmpty, address.keepsSecrets
            else { return nil }
            return text
        }
        scopes = section.list("scopes", of: "a scope", atMost: ScopeWord.countMax) {
            ScopeWord.isOne($0) ? $0 : nil
        }
        if section.has("secret") == section.has("key") {
            section.report(
                section.has("key")
                    ? "gives secret and key; a client proves itself by one of them"
                    : "needs secret (a shared one) or key (a private key), the name of one in the vault")
        }
        if section.has("keyId"), !section.has("key") { section.report("keyId", "goes with key") }
        guard let clientID else { return nil }
        self.clientID = clientID
        if let key {
            proof = .key(key, id: keyID)
        } else if let secret {
            proof = .secret(secret)
        } else {
            return nil
        }
    }

    var json: JSON {
        var members: [(String, JSON)] = [("clientId", .string(clientID))]
        switch proof {
        case .secret(let name): members.append(("secret", .string(name.text)))
        case .key(let name, let id):
            members.append(("key", .string(name.text)))
            if let id { members.append(("keyId", .string(id))) }
        }
        if let issuer { members.append(("issuer", .string(issuer))) }
        if !scopes.isEmpty { members.append(("scopes", .array(scopes.map { .string($0) }))) }
        return .object(members)
    }
}

enum HTTPQuery {
    /// The names of the parameters in a URL's query, as they are spelled.
    static func names(in url: String) -> Set<String> {
        let query = url.drop { $0 != "?" }.dropFirst().prefix { $0 != "#" }
        return Set(query.split(separator: "&").map { String($0.prefix { $0 != "=" }) })
    }
}
