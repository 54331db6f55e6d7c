import Catalog

/// What is yet to happen in virtual time, earliest first; what falls together happens in the order it was planned.
struct EventQueue<Event> {
    private struct Item {
        var at: Instant
        var order: UInt64
        var event: Event

        func comesBefore(_ other: Item) -> Bool { (at, order) < (other.at, other.order) }
    }

    private var heap: [Item] = []
    private var planned: UInt64 = 0

    var nextTime: Instant? { heap.first?.at }

    mutating func plan(_ event: Event, at time: Instant) {
        planned += 1
        heap.append(Item(at: time, order: planned, event: event))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].comesBefore(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func takeNext() -> (Instant, Event)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return (first.at, first.event) }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].comesBefore(heap[least]) {
                least = child
            }
            guard least != parent else { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.at, first.event)
    }
}
