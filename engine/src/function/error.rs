//! Our errors inside DataFusion's: they travel as `External` and come out whole (`plan::failure`).

use datafusion::error::DataFusionError;

use crate::error::Error;

/// Wraps an error of ours.
pub fn wrap(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
