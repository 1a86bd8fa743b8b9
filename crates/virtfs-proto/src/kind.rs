//! The type byte of every message: a reply's number is its request's plus one.

macro_rules! kinds {
    ($($kind:ident = $number:literal $name:literal,)*) => {
        $(
            #[doc = concat!("The type byte of `", $name, "`.")]
            pub const $kind: u8 = $number;
        )*

        /// The name of the message with this type byte (`"Twalk"`), or `None` if no dialect has it.
        pub const fn name_of(kind: u8) -> Option<&'static str> {
            match kind {
                $($kind => Some($name),)*
                _ => None,
            }
        }
    };
}

kinds! {
    RLERROR = 7 "Rlerror",
    TSTATFS = 8 "Tstatfs",
    RSTATFS = 9 "Rstatfs",
    TLOPEN = 12 "Tlopen",
    RLOPEN = 13 "Rlopen",
    TLCREATE = 14 "Tlcreate",
    RLCREATE = 15 "Rlcreate",
    TSYMLINK = 16 "Tsymlink",
    RSYMLINK = 17 "Rsymlink",
    TMKNOD = 18 "Tmknod",
    RMKNOD = 19 "Rmknod",
    TRENAME = 20 "Trename",
    RRENAME = 21 "Rrename",
    TREADLINK = 22 "Treadlink",
    RREADLINK = 23 "Rreadlink",
    TGETATTR = 24 "Tgetattr",
    RGETATTR = 25 "Rgetattr",
    TSETATTR = 26 "Tsetattr",
    RSETATTR = 27 "Rsetattr",
    TXATTRWALK = 30 "Txattrwalk",
    RXATTRWALK = 31 "Rxattrwalk",
    TXATTRCREATE = 32 "Txattrcreate",
    RXATTRCREATE = 33 "Rxattrcreate",
    TREADDIR = 40 "Treaddir",
    RREADDIR = 41 "Rreaddir",
    TFSYNC = 50 "Tfsync",
    RFSYNC = 51 "Rfsync",
    TLOCK = 52 "Tlock",
    RLOCK = 53 "Rlock",
    TGETLOCK = 54 "Tgetlock",
    RGETLOCK = 55 "Rgetlock",
    TLINK = 70 "Tlink",
    RLINK = 71 "Rlink",
    TMKDIR = 72 "Tmkdir",
    RMKDIR = 73 "Rmkdir",
    TRENAMEAT = 74 "Trenameat",
    RRENAMEAT = 75 "Rrenameat",
    TUNLINKAT = 76 "Tunlinkat",
    RUNLINKAT = 77 "Runlinkat",
    TVERSION = 100 "Tversion",
    RVERSION = 101 "Rversion",
    TAUTH = 102 "Tauth",
    RAUTH = 103 "Rauth",
    TATTACH = 104 "Tattach",
    RATTACH = 105 "Rattach",
    RERROR = 107 "Rerror",
    TFLUSH = 108 "Tflush",
    RFLUSH = 109 "Rflush",
    TWALK = 110 "Twalk",
    RWALK = 111 "Rwalk",
    TOPEN = 112 "Topen",
    ROPEN = 113 "Ropen",
    TCREATE = 114 "Tcreate",
    RCREATE = 115 "Rcreate",
    TREAD = 116 "Tread",
    RREAD = 117 "Rread",
    TWRITE = 118 "Twrite",
    RWRITE = 119 "Rwrite",
    TCLUNK = 120 "Tclunk",
    RCLUNK = 121 "Rclunk",
    TREMOVE = 122 "Tremove",
    RREMOVE = 123 "Rremove",
    TSTAT = 124 "Tstat",
    RSTAT = 125 "Rstat",
    TWSTAT = 126 "Twstat",
    RWSTAT = 127 "Rwstat",
}
