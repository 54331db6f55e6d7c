import Catalog
import Mesh

/// What one node's ``SilenceWatch``es know of each of its links, in the order in which these came up.
struct LinkWatches {
    private var all: [(link: LinkID, watch: SilenceWatch)] = []

    var count: Int { all.count }

    subscript(link: LinkID) -> SilenceWatch? {
        get { place(of: link).map { all[$0].watch } }
        set {
            switch (place(of: link), newValue) {
            case (let place?, let watch?): all[place].watch = watch
            case (let place?, nil): all.remove(at: place)
            case (nil, let watch?):
                let place = all.firstIndex { $0.link > link } ?? all.count
                all.insert((link, watch), at: place)
            case (nil, nil): break
            }
        }
    }

    mutating func sent(_ link: LinkID) {
        if let place = place(of: link) { all[place].watch.sent() }
    }

    mutating func heard(_ link: LinkID) {
        if let place = place(of: link) { all[place].watch.heard() }
    }

    mutating func tick(_ place: Int, at now: Instant) -> (LinkID, SilenceWatch.Verdict) {
        (all[place].link, all[place].watch.tick(at: now))
    }

    func holds(_ link: LinkID, at place: Int) -> Bool { place < all.count && all[place].link == link }

    private func place(of link: LinkID) -> Int? { all.firstIndex { $0.link == link } }
}
