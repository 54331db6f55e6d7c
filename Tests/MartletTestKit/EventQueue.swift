import Catalog

/// What is yet to happen in virtual time, earliest first; what falls together happens in the order it was planned.
struct EventQueue<Event> {
    /// Small and plain, so that the heap moves no more than it must: the event itself lies still.
    private struct Item {
        var at: Int64
        var order: UInt64
        var place: Int

        func comesBefore(_ other: Item) -> Bool {
            at == other.at ? order < other.order : at < other.at
        }
    }

    private var heap: [Item] = []
    private var events: [Event?] = []
    private var free: [Int] = []
    private var planned: UInt64 = 0

    var nextTime: Instant? { heap.first.map { Instant(nanoseconds: $0.at) } }

    mutating func plan(_ event: Event, at time: Instant) {
        planned += 1
        let place: Int
        if let last = free.popLast() {
            place = last
            events[place] = event
        } else {
            place = events.count
            events.append(event)
        }
        let item = Item(at: time.nanoseconds, order: planned, place: place)
        heap.append(item)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard item.comesBefore(heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = item
    }

    mutating func takeNext() -> (Instant, Event)? {
        guard let first = heap.first, let last = heap.popLast(), let event = events[first.place] else {
            return nil
        }
        events[first.place] = nil
        free.append(first.place)
        defer { if !heap.isEmpty { sink(last) } }
        return (Instant(nanoseconds: first.at), event)
    }

    /// Puts an item at the top, and lets it down to where it belongs.
    private mutating func sink(_ item: Item) {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].comesBefore(heap[child]) { child += 1 }
            guard heap[child].comesBefore(item) else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = item
    }
}
