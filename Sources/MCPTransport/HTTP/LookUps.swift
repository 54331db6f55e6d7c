import NIOCore
import NIOPosix
import Synchronization

/// Look-ups of names, each of which blocks for as long as the DNS takes: on threads of their own, so that a DNS that is slow keeps nothing
/// waiting but connections to names, and one at a time for each name.
final class LookUps: Sendable {
    /// Names that are looked up at the same time.
    static let threads = 4
    /// Names under way or waiting: a node fronts at most 1,000 servers, and who waits behind that many waits too long.
    static let namesMax = 256

    /// For all clients of this process, by the system's resolver.
    static let system = LookUps { try SystemResolver.addresses(of: $0, port: $1) }

    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
        return pool
    }()

    private struct Name: Hashable, Sendable {
        var host: String
        var port: Int
    }

    private let resolve: AddressWatch.Resolve
    /// Who waits for each name that is under way.
    private let flights = Mutex<[Name: [EventLoopPromise<[SocketAddress]>]]>([:])

    init(_ resolve: @escaping AddressWatch.Resolve) { self.resolve = resolve }

    /// All addresses of a name, the preferred first. A look-up that has begun cannot be ended.
    func addresses(of host: String, _ port: Int, on loop: any EventLoop) -> EventLoopFuture<[SocketAddress]> {
        let promise = loop.makePromise(of: [SocketAddress].self)
        let name = Name(host: host, port: port)
        enum Turn { case begin, wait, refuse }
        let turn = flights.withLock { flights -> Turn in
            if flights[name] != nil {
                flights[name]?.append(promise)
                return .wait
            }
            guard flights.count < Self.namesMax else { return .refuse }
            flights[name] = [promise]
            return .begin
        }
        switch turn {
        case .wait: break
        case .refuse:
            promise.fail(
                AddressWatch.Refusal(
                    reason:
                        "\(Self.namesMax) names are being looked up already; look at the DNS servers of this host"
                ))
        case .begin:
            Self.pool.submit { state in
                let result = Result { () throws -> [SocketAddress] in
                    guard case .active = state else { throw SystemResolver.Unknown() }
                    return try self.resolve(host, port)
                }
                let waiting = self.flights.withLock { $0.removeValue(forKey: name) ?? [] }
                for one in waiting { one.completeWith(result) }
            }
        }
        return promise.futureResult
    }
}
