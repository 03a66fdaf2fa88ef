//! What a person asks for with `--device`.

use std::fmt;
use std::str::FromStr;

use crate::device::{Device, Discovery};
use crate::error::{Error, Result};

/// Where queries are to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The best that the machine has.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// NVIDIA GPUs of these numbers; all of them where none is named.
    Cuda(Vec<usize>),
    /// The CUDA code, built by the host's C++ compiler: for tests.
    Emulated,
    /// No device: every operator stays with DataFusion.
    Off,
}

impl DeviceChoice {
    /// Whether this release can honour the choice on a machine with these devices; the error says why not.
    pub fn check(&self, found: &Discovery) -> Result<()> {
        match self {
            Self::Auto | Self::Cpu | Self::Emulated | Self::Off => Ok(()),
            Self::Cuda(numbers) => {
                let devices = found.cuda.as_ref().map_err(|reason| Error::Absent(format!("device {self}: {reason}")))?;
                if let Some(missing) = numbers.iter().find(|number| devices.iter().all(|device| device.ordinal() != **number)) {
                    let count = devices.len();
                    return Err(Error::Absent(format!("device cuda:{missing}: the machine has {count}, numbered from 0")));
                }
                let named = devices.iter().filter(|device| numbers.is_empty() || numbers.contains(&device.ordinal()));
                match named.filter_map(|device| device.unused_because()).next() {
                    Some(why) => {
                        Err(Error::Absent(format!("device {self}: the GPU was found, but {why}; {}", found.nvrtc.install)))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(numbers) => {
                f.write_str("cuda")?;
                for (at, number) in numbers.iter().enumerate() {
                    write!(f, "{}{number}", if at == 0 { ':' } else { ',' })?;
                }
                Ok(())
            }
            Self::Emulated => f.write_str("emulated"),
            Self::Off => f.write_str("off"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let unknown = || Error::Unknown(format!("there is no device \"{text}\": auto, cpu, cuda, cuda:0,1, emulated or off"));
        match lower.as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(Vec::new())),
            "emulated" => Ok(Self::Emulated),
            "off" => Ok(Self::Off),
            _ => {
                let list = lower.strip_prefix("cuda:").ok_or_else(unknown)?;
                let mut numbers: Vec<usize> = Vec::new();
                for number in list.split(',') {
                    let number = number.trim().parse().map_err(|_| unknown())?;
                    if !numbers.contains(&number) {
                        numbers.push(number);
                    }
                }
                Ok(Self::Cuda(numbers))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_parse_back() {
        for text in ["auto", "cpu", "cuda", "cuda:0", "cuda:0,1", "emulated", "off"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert_eq!("CUDA:1, 1,0".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(vec![1, 0]));
        assert_eq!(DeviceChoice::default(), DeviceChoice::Auto);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1,", "cuda:99999999999999999999"] {
            let error = text.parse::<DeviceChoice>().unwrap_err();
            assert!(error.to_string().starts_with("there is no device"), "{text}: {error}");
        }
    }
}
