//! `interval_span(interval)`: an interval as a number of microseconds, of which a month has 30 days'. Intervals compare so.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// The function's name in plans.
pub const NAME: &str = "interval_span";

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Span {
    signature: Signature,
}

impl Span {
    /// The function.
    pub fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl Default for Span {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for Span {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, 0))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let one = matches!(args.args[0], ColumnarValue::Scalar(_));
        let intervals = args.args[0].to_array(if one { 1 } else { args.number_rows })?;
        let intervals = cast(&intervals, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let day = 86_400_000_000i128;
        let spans = intervals
            .as_primitive::<IntervalMonthDayNanoType>()
            .iter()
            .map(|v| v.map(|v| (i128::from(v.months) * 30 + i128::from(v.days)) * day + i128::from(v.nanoseconds / 1000)));
        let spans: ArrayRef = Arc::new(spans.collect::<Decimal128Array>().with_precision_and_scale(38, 0)?);
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&spans, 0)?)) } else { Ok(ColumnarValue::Array(spans)) }
    }
}
