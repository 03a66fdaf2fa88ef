//! Machine code on disk, so that a program compiled once starts at once ever after.
//!
//! One file per entry, named by a hash of the key; the key itself stands in the file and is compared, so two keys
//! that share a hash cost a compilation and never a wrong kernel:
//!
//! ```text
//! magic  8 bytes │ checksum of the rest  8 │ length of the key  8 │ key │ image
//! ```
//!
//! A file is written beside its place and renamed into it, so that readers, also of other processes, see all of
//! it or none; one that is damaged is compiled anew. Nothing here is an error: without a folder, or on a full
//! disk, every look-up misses.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// What every entry begins with; another format takes another.
const MAGIC: &[u8; 8] = b"WWCUBIN1";
/// Bytes before the key.
const HEAD: usize = 24;
/// How large all entries may become together.
const LIMIT: u64 = 256 << 20;
/// What stands at the end of an entry's name, and of a file's that is being written.
const ENTRY: &str = "cubin";
const BEING_WRITTEN: &str = "tmp";

/// A folder of entries.
#[derive(Debug)]
pub struct DiskCache {
    folder: PathBuf,
    limit: u64,
}

impl DiskCache {
    /// Makes the folder, for its owner only; none where it cannot be had.
    pub fn open(folder: &Path) -> Option<Self> {
        Self::with_limit(folder, LIMIT)
    }

    fn with_limit(folder: &Path, limit: u64) -> Option<Self> {
        fs::create_dir_all(folder).ok()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Fails where the folder is someone else's: what others can write is not run.
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).ok()?;
        }
        Some(Self { folder: folder.to_owned(), limit })
    }

    /// The image of a key. An entry that is damaged is removed.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let Some(found) = parse(&bytes) else {
            let _ = fs::remove_file(&path);
            return None;
        };
        let (written_for, image) = found;
        if written_for != key {
            return None;
        }
        // What is used is not the oldest.
        if let Ok(file) = OpenOptions::new().write(true).open(&path) {
            let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        }
        Some(image.to_vec())
    }

    /// Keeps an image. What does not fit the limit, oldest first, is removed.
    pub fn put(&self, key: &[u8], image: &[u8]) {
        if (key.len() + image.len()) as u64 > self.limit / 4 || self.write(key, image).is_err() {
            return;
        }
        self.shrink();
    }

    fn write(&self, key: &[u8], image: &[u8]) -> std::io::Result<()> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut rest = (key.len() as u64).to_le_bytes().to_vec();
        rest.extend_from_slice(key);
        rest.extend_from_slice(image);
        let path = self.path(key);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}.{number}.{BEING_WRITTEN}", std::process::id()));
        let written = create(&beside).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(&checksum(&rest).to_le_bytes())?;
            file.write_all(&rest)
        });
        written.and_then(|()| fs::rename(&beside, &path)).inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
    }

    fn shrink(&self) {
        let Ok(listing) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = listing
            .flatten()
            .filter(|entry| {
                let path = entry.path();
                path.extension().is_some_and(|extension| extension == ENTRY || extension == BEING_WRITTEN)
            })
            .filter_map(|entry| {
                let about = entry.metadata().ok()?;
                Some((about.modified().ok()?, about.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        if total <= self.limit {
            return;
        }
        files.sort();
        // Down to less than the limit, so that not every later entry looks through all of them.
        for (_, bytes, path) in files {
            if total <= self.limit / 4 * 3 {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
    }

    fn path(&self, key: &[u8]) -> PathBuf {
        self.folder.join(format!("{:032x}.{ENTRY}", name_hash(key)))
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// The key and the image; none where the entry is damaged.
fn parse(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..)?.get(..8)?.try_into().ok()?));
    if bytes.get(..8)? != MAGIC || word(8)? != checksum(&bytes[16..]) {
        return None;
    }
    let length = usize::try_from(word(16)?).ok()?;
    bytes.get(HEAD..)?.split_at_checked(length)
}

/// FNV-1a, of 128 bits: the same on every machine and in every release.
fn name_hash(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

/// FNV-1a, of 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("warpwise-cubin-cache-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn files(&self) -> Vec<PathBuf> {
            let mut files: Vec<PathBuf> = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_was_put_is_got_by_its_key_alone() {
        let folder = Folder::new("keys");
        let cache = DiskCache::open(&folder.0).unwrap();
        assert_eq!(cache.get(b"one"), None);
        cache.put(b"one", b"image of one");
        cache.put(b"two", b"");
        assert_eq!(cache.get(b"one").unwrap(), b"image of one");
        assert_eq!(cache.get(b"two").unwrap(), b"");
        assert_eq!(cache.get(b"on"), None);
        cache.put(b"one", b"another");
        assert_eq!(DiskCache::open(&folder.0).unwrap().get(b"one").unwrap(), b"another");
        assert_eq!(folder.files().len(), 2);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&folder.0).unwrap().permissions().mode() & 0o777, 0o700);
            assert_eq!(fs::metadata(&folder.files()[0]).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn damage_is_a_miss_and_removes_the_entry() {
        let folder = Folder::new("damage");
        let cache = DiskCache::open(&folder.0).unwrap();
        cache.put(b"key", &[7; 1000]);
        let path = folder.files().remove(0);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[500] ^= 1;
        let mut other = whole.clone();
        other[..8].copy_from_slice(b"WWCUBIN0");
        for bytes in [&flipped[..], &other, &whole[..whole.len() - 1], &whole[..10], b""] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(cache.get(b"key"), None);
            assert!(!path.exists());
        }
        // A whole entry of another key, as if the hashes were equal.
        cache.put(b"key", &[7; 1000]);
        fs::rename(&path, cache.path(b"other")).unwrap();
        assert_eq!(cache.get(b"other"), None);
        assert_eq!(folder.files().len(), 1);
    }

    #[test]
    fn the_oldest_go_first() {
        let folder = Folder::new("limit");
        let cache = DiskCache::with_limit(&folder.0, 10_000).unwrap();
        for number in 0..10_u8 {
            cache.put(&[number], &[number; 900]);
            let age = Duration::from_secs(1000 - u64::from(number));
            let file = OpenOptions::new().write(true).open(cache.path(&[number])).unwrap();
            file.set_times(FileTimes::new().set_modified(SystemTime::now() - age)).unwrap();
        }
        // Number 0 is used, so it is no longer the oldest.
        assert!(cache.get(&[0]).is_some());
        cache.put(&[10], &[10; 1000]);
        let left: Vec<u8> = (0..=10).filter(|number| cache.get(&[*number]).is_some()).collect();
        assert_eq!(left, [0, 4, 5, 6, 7, 8, 9, 10]);
        // What would fill the cache alone is not kept.
        cache.put(b"large", &[1; 5000]);
        assert_eq!(cache.get(b"large"), None);
    }

    #[test]
    fn without_a_folder_there_is_no_cache() {
        let folder = Folder::new("file");
        fs::write(&folder.0, b"").unwrap();
        assert!(DiskCache::open(&folder.0).is_none());
        fs::remove_file(&folder.0).unwrap();
    }

    #[test]
    fn hashes_are_those_of_the_definition() {
        assert_eq!(name_hash(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
