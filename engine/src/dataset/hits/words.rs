//! Words, and what is composed of them: addresses, titles, search phrases.

use std::fmt::Write;

use crate::dataset::draw::{mix, scale};

const WORDS: [&str; 96] = [
    "about",
    "album",
    "amazon",
    "apple",
    "auto",
    "bank",
    "best",
    "book",
    "buy",
    "cabin",
    "camera",
    "canal",
    "card",
    "cheap",
    "city",
    "cloud",
    "coffee",
    "crème",
    "data",
    "deal",
    "doctor",
    "download",
    "dress",
    "energy",
    "engine",
    "film",
    "final",
    "flight",
    "flower",
    "football",
    "forum",
    "free",
    "garden",
    "google",
    "green",
    "guitar",
    "händler",
    "health",
    "history",
    "hotel",
    "house",
    "image",
    "index",
    "insurance",
    "island",
    "job",
    "kitchen",
    "lamp",
    "laptop",
    "letter",
    "list",
    "map",
    "market",
    "metro",
    "mobile",
    "money",
    "movie",
    "music",
    "news",
    "night",
    "number",
    "online",
    "paper",
    "park",
    "phone",
    "photo",
    "planet",
    "price",
    "radio",
    "recipe",
    "red",
    "rent",
    "review",
    "river",
    "school",
    "science",
    "shop",
    "smart",
    "song",
    "sport",
    "store",
    "summer",
    "table",
    "tea",
    "test",
    "ticket",
    "train",
    "travel",
    "video",
    "weather",
    "wedding",
    "window",
    "погода",
    "новости",
    "東京",
    "größe",
];

const HOSTS: [&str; 24] = [
    "example.com",
    "shop.example.com",
    "news.example.org",
    "forum.example.net",
    "video.example.com",
    "www.google.example",
    "maps.google.example",
    "mail.example.org",
    "auto.example.net",
    "kino.example.com",
    "travel.example.org",
    "bank.example.com",
    "blog.example.net",
    "images.example.com",
    "sport.example.org",
    "radio.example.net",
    "wiki.example.org",
    "jobs.example.com",
    "photo.example.net",
    "music.example.com",
    "realty.example.org",
    "tickets.example.net",
    "weather.example.com",
    "dev.example.org",
];

fn word(bits: u64) -> &'static str {
    WORDS[scale(bits, WORDS.len() as u64) as usize]
}

/// A word of ASCII alone, for addresses.
fn plain_word(bits: u64) -> &'static str {
    let found = word(bits);
    if found.is_ascii() { found } else { "p" }
}

/// The address of a page.
pub fn address(page: u64, text: &mut String) {
    let bits = mix(page ^ 0x75_726c);
    text.push_str(if bits & 3 == 0 { "https://" } else { "http://" });
    text.push_str(HOSTS[scale(bits << 8, HOSTS.len() as u64) as usize]);
    text.push('/');
    text.push_str(plain_word(mix(bits)));
    text.push('/');
    text.push_str(plain_word(mix(bits + 1)));
    text.push('-');
    text.push_str(plain_word(mix(bits + 2)));
    // Writing to a string cannot fail.
    let _ = match bits >> 4 & 7 {
        0..=2 => write!(text, "-{page}.html"),
        3..=5 => write!(text, "?id={page}&from={}", plain_word(mix(bits + 3))),
        _ => write!(text, "/{page}/"),
    };
}

/// The title of a page: pages of one address without its number may share it.
pub fn title(page: u64, text: &mut String) {
    let bits = mix((page >> 3) ^ 0x7469_746c);
    if bits & 0x1f == 0 {
        return;
    }
    for at in 0..2 + (bits >> 8 & 3) {
        if at > 0 {
            text.push(' ');
        }
        text.push_str(word(mix(bits + at)));
    }
    text.push_str(" - ");
    text.push_str(HOSTS[scale(mix(page ^ 0x75_726c) << 8, HOSTS.len() as u64) as usize]);
}

/// What somebody searched for.
pub fn phrase(number: u64, text: &mut String) {
    let bits = mix(number ^ 0x0073_6561);
    for at in 0..1 + (bits >> 8 & 3) {
        if at > 0 {
            text.push(' ');
        }
        text.push_str(word(mix(bits + at)));
    }
}
