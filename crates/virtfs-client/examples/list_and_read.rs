//! Lists the root of a server and reads a file of it: `list_and_read tcp!host!port NAME`.

use std::error::Error;
use std::io::Write;

use virtfs_client::{Address, Attach, Client, LopenFlags, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let address = Address::parse(args.next().ok_or("no address")?)?;
    let client = Client::connect(&address, &Options::default())?;
    let root = client.attach(&Attach::default())?;

    for entry in root.read_dir()? {
        println!("{}", String::from_utf8_lossy(&entry?.name));
    }
    if let Some(name) = args.next() {
        let file = root.walk(&[name.as_encoded_bytes()])?;
        let file = file.into_open(LopenFlags::RDONLY)?;
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut file.cursor(), &mut text)?;
        std::io::stdout().write_all(&text)?;
    }
    Ok(())
}
