import Dispatch
import MCPModel
import Synchronization
import Vault

/// Knows the users of `auth.basic` by their passwords (RFC 7617).
///
/// A password is looked at slowly, on a thread of its own and one at a time; one that was right is known again at once, by a keyed digest
/// in memory.
final class PasswordDoor: Sendable {
    enum Outcome: Sendable {
        case user(String)
        case wrong
        /// Too many wait already.
        case busy
    }

    /// Passwords that wait to be looked at, at 0.1 s each: who guesses must not make others wait for ever.
    static let waitingMax = 32
    static let nameBytesMax = 256
    static let passwordBytesMax = 1024

    private struct State {
        /// What was right before, by user.
        var known: [[UInt8]: [UInt8]] = [:]
        var waiting = 0
    }

    /// By the bytes of their names: to `==` of texts different ones are the same.
    private let users: [[UInt8]: BasicUser]
    /// For whom nobody knows: a name that is none takes as long as one that is.
    private let nobody: PasswordHash?
    private let pepper: Secret
    private let waitingMax: Int
    private let state = Mutex(State())
    private let thread = DispatchQueue(label: "martlet.passwords")

    init(_ users: [BasicUser], waitingMax: Int = PasswordDoor.waitingMax) {
        self.waitingMax = waitingMax
        self.users = Dictionary(
            users.map { (Array($0.name.utf8), $0) }, uniquingKeysWith: { first, _ in first })
        nobody = users.first?.hash
        var random = SystemRandomNumberGenerator()
        pepper = Secret(random: CredentialDigest.pepperBytes, using: &random)
    }

    /// The user whom somebody says to be; `nil` where that cannot be read.
    static func name(in encoded: Substring) -> [UInt8]? {
        guard let pair = Base64.decode(encoded), let colon = pair.firstIndex(of: UInt8(ascii: ":")),
            (1...nameBytesMax).contains(colon)
        else { return nil }
        return Array(pair[..<colon])
    }

    /// Whether this was right before, which costs no time to see.
    func knows(_ encoded: Substring) -> Bool {
        guard let name = Self.name(in: encoded), let pair = Base64.decode(encoded) else { return false }
        let digest = MAC.code(of: pair, key: pepper)
        return state.withLock { $0.known[name].map { constantTimeEqual($0, digest) } ?? false }
    }

    /// - Parameters:
    ///   - encoded: what stands behind `Basic` in the header.
    ///   - found: called once, at once or on the thread of this.
    func examine(_ encoded: Substring, _ found: @escaping @Sendable (Outcome) -> Void) {
        guard let pair = Base64.decode(encoded), let colon = pair.firstIndex(of: UInt8(ascii: ":")),
            (1...Self.nameBytesMax).contains(colon),
            (1...Self.passwordBytesMax).contains(pair.count - colon - 1)
        else { return found(.wrong) }
        let name = Array(pair[..<colon])
        let user = users[name]
        let digest = MAC.code(of: pair, key: pepper)
        let isKnown = state.withLock { $0.known[name].map { constantTimeEqual($0, digest) } ?? false }
        if isKnown, let user { return found(.user(user.name)) }
        let hasRoom = state.withLock { state in
            guard state.waiting < waitingMax else { return false }
            state.waiting += 1
            return true
        }
        guard hasRoom, let nobody else { return found(hasRoom ? .wrong : .busy) }
        let password = Array(pair[(colon + 1)...])
        thread.async { [self] in
            let isRight = (user?.hash ?? nobody).isOf(Secret(copying: password))
            state.withLock { state in
                state.waiting -= 1
                if isRight, user != nil { state.known[name] = digest }
            }
            found(isRight ? user.map { .user($0.name) } ?? .wrong : .wrong)
        }
    }
}

/// Makes what stands in `auth.basic`.
package enum PasswordMaker {
    /// - Throws: ``Refusal`` for a password that cannot be used.
    package static func hash(of password: String) throws(Refusal) -> String {
        guard (1...PasswordDoor.passwordBytesMax).contains(password.utf8.count) else {
            throw Refusal(.invalid, "a password has 1 to \(PasswordDoor.passwordBytesMax) bytes")
        }
        var bytes = Array(password.utf8)
        var random = SystemRandomNumberGenerator()
        do throws(VaultError) {
            return try PasswordHash(of: Secret(moving: &bytes), using: &random).text
        } catch {
            throw Refusal(.failed, "\(error)")
        }
    }
}
