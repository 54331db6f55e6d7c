import Glibc
import Synchronization
import Tokens

/// A set of keys in a file of this host, taken anew when the file changes. Here a key may be a shared one.
final class KeyFile: Sendable {
    /// What shows that a file is another one, without reading it.
    private struct Stamp: Hashable {
        var inode: UInt64
        var size: Int64
        var seconds: Int
        var nanoseconds: Int

        init?(_ path: String) {
            var facts = stat()
            guard stat(path, &facts) == 0 else { return nil }
            (inode, size) = (UInt64(facts.st_ino), Int64(facts.st_size))
            (seconds, nanoseconds) = (facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec)
        }
    }

    private struct State {
        var keys: WebKeySet
        var stamp: Stamp?
        var trouble: String?
    }

    private let path: String
    private let state: Mutex<State>

    init(_ path: String) throws(Refusal) {
        self.path = path
        let stamp = Stamp(path)
        state = Mutex(State(keys: try Self.read(path), stamp: stamp))
    }

    var keys: WebKeySet { state.withLock { $0.keys } }
    var trouble: String? { state.withLock { $0.trouble } }

    /// - Returns: what is wrong with a file that has just changed; its former keys stay.
    func refresh() -> String? {
        let stamp = Stamp(path)
        guard stamp != state.withLock({ $0.stamp }) else { return nil }
        do throws(Refusal) {
            let keys = try Self.read(path)
            state.withLock { $0 = State(keys: keys, stamp: stamp) }
            return nil
        } catch {
            state.withLock { state in
                state.stamp = stamp
                state.trouble = error.message
            }
            return error.message
        }
    }

    private static func read(_ path: String) throws(Refusal) -> WebKeySet {
        let text = try TextFile.read(path)
        do throws(WebKeySet.Fault) {
            return try WebKeySet(document: Array(text.utf8), allowsShared: true)
        } catch {
            throw Refusal(
                .invalid, "\(path) is no set of keys: \(error)",
                hint: "it wants {\"keys\": [ … ]} (RFC 7517 §5)")
        }
    }
}
