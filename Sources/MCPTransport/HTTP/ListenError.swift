import NIOCore

/// Why a listener cannot listen.
package enum ListenError: Error, Hashable, Sendable {
    case inUse(ListenAddress)
    case notPermitted(ListenAddress)
    case notOurAddress(ListenAddress)
    case unknownHost(ListenAddress)
    case failed(ListenAddress, String)

    init(_ error: any Error, at address: ListenAddress) {
        switch error {
        case let error as IOError where error.errnoCode == LibC.addressInUse: self = .inUse(address)
        case let error as IOError
        where error.errnoCode == LibC.accessDenied || error.errnoCode == LibC.notPermitted:
            self = .notPermitted(address)
        case let error as IOError where error.errnoCode == LibC.addressNotAvailable:
            self = .notOurAddress(address)
        case SocketAddressError.unknown: self = .unknownHost(address)
        default: self = .failed(address, "\(error)")
        }
    }
}

extension ListenError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .inUse(let address):
            "\(address) is taken by another program; stop that one or choose another port"
        case .notPermitted(let address):
            "the system does not let this user listen on \(address); choose a port above 1023"
        case .notOurAddress(let address):
            "\(address) is no address of this machine; choose one that `ip addr` shows, or 0.0.0.0 for all"
        case .unknownHost(let address):
            "the name \(address.host) of \(address) does not resolve; write an IP address"
        case .failed(let address, let why): "cannot listen on \(address): \(why)"
        }
    }
}
