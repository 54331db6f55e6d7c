import Gateway
import Testing

struct StartedCodeTests {
    @Test func `only code of the program itself is let go of`() {
        let maps = """
            562000000000-562003400000 r-xp 00000000 fe:00 123                        /usr/bin/mart let
            562003400000-562006200000 rw-p 03400000 fe:00 123                        /usr/bin/mart let
            562006200000-562006300000 r--p 03400000 fe:00 123                        /usr/bin/mart let
            7f1000000000-7f1000100000 r-xp 00000000 fe:00 124                        /usr/lib/libc.so.6
            7f1000200000-7f1000300000 rwxp 00000000 fe:00 123                        /usr/bin/mart let
            7f1000400000-7f1000500000 r-xp 00000000 00:00 0
            7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
            """
        let found = StartedCode.ranges(of: "/usr/bin/mart let", in: maps)
        #expect(found.map(\.start) == [0x5620_0000_0000] && found.map(\.end) == [0x5620_0340_0000])
        #expect(StartedCode.ranges(of: "/usr/bin/other", in: maps).isEmpty)
    }
}
