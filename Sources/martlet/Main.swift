import Dispatch

/// Where the program begins.
@main
enum Main {
    /// Runs the command while this thread waits.
    ///
    /// An asynchronous `main` would end this thread instead, and for that have its stack unwound: the unwinder looks through the tables of the
    /// whole program, a megabyte and a half that nothing else ever reads.
    static func main() {
        let isOver = DispatchSemaphore(value: 0)
        // Detached: what begins here would belong to the main actor, whose thread waits.
        Task.detached {  // owned: by the wait behind it
            await Martlet.main()
            isOver.signal()
        }
        isOver.wait()
    }
}
