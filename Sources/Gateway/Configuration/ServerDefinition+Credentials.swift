import Catalog
import Composition
import JSONSlice
import Tokens

/// `servers.NAME.auth.clientCredentials`, in and out.
extension ServerDefinition.ClientCredentials {
    /// - Returns: `nil` when there is no telling who this node is there; the section then has a problem.
    init?(reading section: inout ConfigSection) {
        if !section.has("clientId") { section.report("clientId", "is missing: what the authorization server calls this node") }
        let clientID = section.parsed("clientId", expecting: "text of at most \(Self.idLengthMax) characters") {
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
