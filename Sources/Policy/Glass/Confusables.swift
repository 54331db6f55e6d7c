/// Letters of Greek, Cyrillic and Latin itself that are drawn like a Latin letter or an ASCII digit, in the order of that letter.
///
/// Those of Unicode's `intentional.txt` (17.0) that concern ASCII, and from `confusables.txt` what common fonts do not tell
/// apart. A letter of one script beside those of another is what a look-alike is made of; whole words in another script are not meant.
enum Confusables {
    static let latin: [Unicode.Scalar: Unicode.Scalar] = {
        var table: [Unicode.Scalar: Unicode.Scalar] = [:]
        for (letter, others) in alike {
            for other in others.unicodeScalars { table[other] = letter }
        }
        return table
    }()

    private static let alike: [(Unicode.Scalar, String)] = [
        ("a", "\u{391}\u{3B1}\u{410}\u{430}\u{251}"),
        ("b", "\u{392}\u{412}\u{42C}\u{44C}\u{184}\u{185}"),
        ("c", "\u{3F9}\u{3F2}\u{421}\u{441}\u{188}"),
        ("d", "\u{500}\u{501}\u{257}\u{256}"),
        ("e", "\u{395}\u{415}\u{435}\u{4BD}\u{454}\u{3B5}\u{25B}\u{404}"),
        ("f", "\u{3DC}\u{192}"),
        ("g", "\u{261}\u{50C}\u{581}"),
        ("h", "\u{397}\u{41D}\u{4BA}\u{4BB}\u{266}"),
        ("i", "\u{399}\u{3B9}\u{406}\u{456}\u{4C0}\u{131}\u{269}\u{457}\u{407}"),
        ("j", "\u{408}\u{458}\u{3F3}\u{37F}"),
        ("k", "\u{39A}\u{3BA}\u{41A}\u{43A}\u{199}\u{138}"),
        ("l", "1|\u{4CF}\u{1C0}\u{26D}"),
        ("m", "\u{39C}\u{3FA}\u{41C}\u{43C}"),
        ("n", "\u{39D}\u{3B7}\u{578}\u{57C}\u{273}"),
        ("o", "0\u{39F}\u{3BF}\u{3C3}\u{41E}\u{43E}\u{585}\u{3C2}"),
        ("p", "\u{3A1}\u{3C1}\u{420}\u{440}\u{3FC}"),
        ("q", "\u{51A}\u{51B}\u{563}\u{566}"),
        ("r", "\u{433}\u{27C}\u{280}\u{16C}"),
        ("s", "\u{405}\u{455}\u{282}"),
        ("t", "\u{3A4}\u{3C4}\u{422}\u{442}"),
        ("u", "\u{3C5}\u{57D}\u{28B}\u{446}"),
        ("v", "\u{3BD}\u{474}\u{475}\u{28B}"),
        ("w", "\u{51C}\u{51D}\u{461}\u{3C9}\u{26F}"),
        ("x", "\u{3A7}\u{3C7}\u{425}\u{445}\u{4B2}\u{4B3}"),
        ("y", "\u{3A5}\u{3B3}\u{423}\u{443}\u{4AE}\u{4AF}\u{28F}"),
        ("z", "\u{396}\u{3B6}\u{240}"),
    ]
}
