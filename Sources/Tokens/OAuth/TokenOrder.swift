import JSONSlice

/// A request for a token, complete but for the credential, which is opened when it is sent and not before.
package struct TokenOrder: Hashable, Sendable {
    let settings: GrantSettings
    let server: AuthorizationServer
    /// What the token is to be for (RFC 8707), spelled as the resource spells itself.
    let resource: String
    let scopes: [String]

    private static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// - Parameters:
    ///   - credential: the secret, or the private key as PEM.
    ///   - id: of an assertion, never used before.
    ///   - now: seconds since 1970-01-01T00:00:00Z.
    package func request(
        with credential: [UInt8], id: String, at now: Int64
    ) throws(GrantTrouble) -> GrantFetch {
        var form = [("grant_type", Array("client_credentials".utf8))]
        if !scopes.isEmpty { form.append(("scope", Array(scopes.joined(separator: " ").utf8))) }
        form.append(("resource", Array(resource.utf8)))
        var headers = [
            ("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"),
        ]
        switch settings.proof {
        case .secret where offers("client_secret_basic"):
            // Both are encoded before they are joined (RFC 6749 §2.3.1).
            let pair = Self.encoded(Array(settings.clientID.utf8)) + ":" + Self.encoded(credential)
            headers.append(("Authorization", "Basic " + Self.base64(pair.utf8)))
        case .secret where offers("client_secret_post"):
            form.append(("client_id", Array(settings.clientID.utf8)))
            form.append(("client_secret", credential))
        case .secret:
            throw .methodNotOffered(
                wanted: "a client's secret (client_secret_basic, client_secret_post)",
                offered: server.methods ?? [])
        case .key(let keyID):
            guard server.methods?.contains("private_key_jwt") != false else {
                throw .methodNotOffered(
                    wanted: "a client's key (private_key_jwt)", offered: server.methods ?? [])
            }
            let key = try ClientKey(pem: credential)
            let algorithm = key.algorithms.first { server.algorithms?.contains($0.rawValue) != false }
            guard let algorithm else {
                throw .algorithmNotOffered(
                    able: key.algorithms.map(\.rawValue), offered: server.algorithms ?? [])
            }
            let assertion = try ClientAssertion.make(
                client: settings.clientID, issuer: server.issuer, key: key, keyID: keyID,
                algorithm: algorithm,
                id: id, at: now)
            form.append(("client_id", Array(settings.clientID.utf8)))
            form.append(("client_assertion_type", Array(Self.assertionType.utf8)))
            form.append(("client_assertion", Array(assertion.utf8)))
        }
        let body = form.map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
        return GrantFetch(
            url: server.tokenURL, way: .to(server.tokenURL, of: settings.resource), method: "POST",
            headers: headers, body: Array(body.utf8),
            wants: .whole)
    }

    /// A server that does not say takes `client_secret_basic` (RFC 8414 §2).
    private func offers(_ method: String) -> Bool {
        server.methods.map { $0.contains(method) } ?? (method == "client_secret_basic")
    }

    /// As forms are sent; everything but the unreserved characters (RFC 3986 §2.3), so that no two encoders could differ.
    private static func encoded(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                text.append(byte)
            default: text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func base64(_ bytes: some Collection<UInt8>) -> String {
        let text = Base64URL.encode(bytes).replacing("-", with: "+").replacing("_", with: "/")
        return text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    }
}

/// A token as an authorization server gave it, for one resource. It opens that backend and is shown to nobody else.
package struct AccessToken: Hashable, Sendable {
    package static let bytesMax = 16 * 1024

    package let text: String
    /// Seconds from the request on; `nil`: the server does not say.
    package let life: Int64?

    package init(text: String, life: Int64?) {
        self.text = text
        self.life = life
    }

    /// Reads what a token endpoint answered (RFC 6749 §5).
    static func read(_ answer: GrantAnswer, at url: String) throws(GrantTrouble) -> AccessToken {
        switch answer.status {
        case 200: break
        case 300..<400: throw .redirected(url)
        case 429, 500...: throw .busy(what: "the authorization server", status: answer.status)
        default:
            let code = CompactSignature.object(answer.body)?["error"]?.string
            if code == "temporarily_unavailable" || code == "slow_down" {
                throw .busy(what: "the authorization server", status: answer.status)
            }
            throw .rejected(
                status: answer.status, code: code.flatMap { GrantTrouble.advice[$0] == nil ? nil : $0 })
        }
        guard let json = CompactSignature.object(answer.body), let text = json["access_token"]?.string else {
            throw .notAToken("there is no access_token in it")
        }
        guard json["token_type"]?.string?.lowercased() == "bearer" else {
            throw .notAToken("it is of a type that is not used here, and not Bearer")
        }
        guard (1...bytesMax).contains(text.utf8.count), text.utf8.allSatisfy(isTokenByte) else {
            throw .notAToken("it has characters that no header holds, or more than \(bytesMax / 1024) KiB")
        }
        // Some write the number as a text.
        let life = json["expires_in"].flatMap { $0.double ?? $0.string.flatMap { Double($0) } }
        guard let life else { return AccessToken(text: text, life: nil) }
        guard life.isFinite, life > 0 else { throw .notAToken("it has expired already") }
        return AccessToken(text: text, life: Int64(min(life, 1e9)))
    }

    /// RFC 6750 §2.1.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-._~+/=".utf8.contains(byte)
        }
    }
}
