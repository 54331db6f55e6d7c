package import NIOCore
import NIOPosix

/// The event loops of this process, one a core: listeners, clients and children share them, so that a call can stay on one.
package enum EventLoops {
    package static var shared: any EventLoopGroup { MultiThreadedEventLoopGroup.singleton }
}
