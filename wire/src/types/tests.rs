//! What PostgreSQL 15 sends for the same values, and the way back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Date64Array, Decimal32Array, Decimal128Array, Decimal256Array,
    DictionaryArray, DurationSecondArray, FixedSizeListArray, Float16Array, Float32Array, Float64Array, Int8Array, Int32Array,
    Int64Array, IntervalDayTimeArray, IntervalYearMonthArray, LargeListArray, LargeStringArray, ListArray, ListViewArray,
    MapBuilder, NullArray, RunArray, StringArray, StringBuilder, StringViewArray, StructArray, Time32SecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array, new_null_array,
};
use arrow::datatypes::{DataType, Field, Int32Type, IntervalDayTime, IntervalDayTimeType, IntervalYearMonthType, Schema, i256};
use warpwise_engine::types::{Base, TYPES};

use super::*;

fn batch(arrays: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<_> =
        arrays.iter().enumerate().map(|(at, array)| Field::new(format!("c{at}"), array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// The values in a run of DataRow frames, having checked the frames.
fn parse_rows(mut frames: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut rows = Vec::new();
    while !frames.is_empty() {
        assert_eq!(frames[0], b'D');
        let length = u32::from_be_bytes(frames[1..5].try_into().unwrap()) as usize;
        let (mut body, rest) = (&frames[7..=length], &frames[length + 1..]);
        let columns = u16::from_be_bytes(frames[5..7].try_into().unwrap());
        let mut row = Vec::new();
        for _ in 0..columns {
            let length = i32::from_be_bytes(body[..4].try_into().unwrap());
            body = &body[4..];
            row.push(usize::try_from(length).ok().map(|length| {
                let value = body[..length].to_vec();
                body = &body[length..];
                value
            }));
        }
        assert!(body.is_empty());
        rows.push(row);
        frames = rest;
    }
    rows
}

/// The values of one column.
fn encode(array: ArrayRef, sql_type: SqlType, format: Format) -> Vec<Option<Vec<u8>>> {
    let rows = array.len();
    let mut encoder = RowEncoder::new(vec![(sql_type, format)], Tz::UTC, 1);
    let mut out = BytesMut::new();
    encoder.encode_data_rows(&batch(vec![array]), 0..rows, &mut out).unwrap();
    parse_rows(&out).into_iter().map(|mut row| row.remove(0)).collect()
}

fn texts(array: impl Array + 'static, sql_type: impl Into<SqlType>) -> Vec<Option<String>> {
    let values = encode(Arc::new(array), sql_type.into(), Format::Text);
    values.into_iter().map(|value| value.map(|value| String::from_utf8(value).unwrap())).collect()
}

/// As [`texts`] where no value is NULL.
fn shown(array: impl Array + 'static, sql_type: impl Into<SqlType>) -> Vec<String> {
    texts(array, sql_type).into_iter().map(Option::unwrap).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text, and what the type's send function of PostgreSQL 15 makes of it.
const SENT: &[(Base, bool, &str, &str)] = &[
    (Base::Bool, false, "t", "01"),
    (Base::Int2, false, "-2", "fffe"),
    (Base::Int4, false, "2147483647", "7fffffff"),
    (Base::Int8, false, "-2", "fffffffffffffffe"),
    (Base::Float4, false, "1.5", "3fc00000"),
    (Base::Float8, false, "-0.1", "bfb999999999999a"),
    (Base::Numeric, false, "-12345678.9012", "000300014000000404d2162e2334"),
    (Base::Numeric, false, "12345.67", "0003000100000002000109291a2c"),
    (Base::Numeric, false, "0", "0000000000000000"),
    (Base::Numeric, false, "0.0001", "0001ffff000000040001"),
    (Base::Numeric, false, "10000", "00010001000000000001"),
    (Base::Numeric, false, "123456789012345678901234567890.123456", "000a000700000006000c0d801ed204d2162e23340d801ed204d215e0"),
    (
        Base::Numeric,
        false,
        "12345678901234567890123456789012345678901234567890.5",
        "000e000c00000001000c0d801ed204d2162e23340d801ed204d2162e23340d801ed21388",
    ),
    (Base::Date, false, "2024-02-29", "00002279"),
    (Base::Date, false, "0044-03-15 BC", "fff49d7b"),
    (Base::Date, false, "infinity", "7fffffff"),
    (Base::Time, false, "04:05:06.789", "000000036c97ca88"),
    (Base::Timestamp, false, "2024-02-29 04:05:06.789", "0002b57c22242a88"),
    (Base::Timestamp, false, "-infinity", "8000000000000000"),
    (Base::Timestamptz, false, "2024-02-29 04:05:06.789+01", "0002b57b4b908688"),
    (Base::Interval, false, "1 year 2 mons -3 days 04:05:06.789", "000000036c97ca88fffffffd0000000e"),
    (Base::Uuid, false, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    (Base::Text, false, "grüße", "6772c3bcc39f65"),
    (Base::Varchar, false, "x", "78"),
    (Base::Name, false, "pg_class", "70675f636c617373"),
    (Base::Bytea, false, "\\x00ff", "00ff"),
    (Base::Json, false, "{\"a\":1}", "7b2261223a317d"),
    (Base::Jsonb, false, "{\"a\": 1}", "017b2261223a20317d"),
    (Base::Oid, false, "4294967295", "ffffffff"),
    (Base::Char, false, "x", "78"),
    (Base::Int2Vector, false, "1 2", "0000000100000000000000150000000200000000000000020001000000020002"),
    (Base::OidVector, false, "", "00000001000000000000001a0000000000000000"),
    (Base::Int4, true, "{1,NULL,3}", "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003"),
    (Base::Int4, true, "{}", "000000000000000000000017"),
    (Base::Text, true, "{a,\"b c\"}", "0000000100000000000000190000000200000001000000016100000003622063"),
    (Base::Float8, true, "{1.5}", "0000000100000000000002bd0000000100000001000000083ff8000000000000"),
    (Base::Bool, true, "{t,f}", "000000010000000000000010000000020000000100000001010000000100"),
    (Base::Date, true, "{2024-02-29}", "00000001000000000000043a00000001000000010000000400002279"),
    (
        Base::Uuid,
        true,
        "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
        "000000010000000000000b86000000010000000100000010a0eebc999c0b4ef8bb6d6bb9bd380a11",
    ),
    (Base::Int8, true, "{-1}", "000000010000000000000014000000010000000100000008ffffffffffffffff"),
];

#[test]
fn binary_is_what_postgres_sends() {
    for (base, array, text, expected) in SENT {
        let sql_type = SqlType { array: *array, ..SqlType::from(*base) };
        let value = params::decode(0, sql_type, Format::Text, Some(text.as_bytes()), &Tz::UTC).unwrap();
        let sent = encode(Arc::clone(&value), sql_type, Format::Binary).remove(0).unwrap();
        assert_eq!(hex(&sent), *expected, "{} {text}", sql_type.sql_name());
        let back = params::decode(0, sql_type, Format::Binary, Some(&sent), &Tz::UTC).unwrap();
        assert_eq!(*back, *value, "{} {text}", sql_type.sql_name());
        let shown = encode(back, sql_type, Format::Text).remove(0).unwrap();
        let again = params::decode(0, sql_type, Format::Text, Some(&shown), &Tz::UTC).unwrap();
        assert_eq!(*again, *value, "{} {text}", sql_type.sql_name());
        // No prefix of it is taken, nor anything after it, but by types whose end is the message's.
        for end in 0..sent.len() {
            let _ = params::decode(0, sql_type, Format::Binary, Some(&sent[..end]), &Tz::UTC);
        }
    }
}

#[test]
fn nulls_of_every_type() {
    for row in TYPES {
        for sql_type in [SqlType::from(row.base), SqlType::array(row.base)] {
            for format in [Format::Text, Format::Binary] {
                assert_eq!(encode(new_null_array(&sql_type.arrow(), 3), sql_type, format), [None, None, None]);
                assert_eq!(encode(Arc::new(NullArray::new(2)), sql_type, format), [None, None]);
                let parameter = params::decode(0, sql_type, format, None, &Tz::UTC).unwrap();
                assert_eq!((parameter.len(), parameter.null_count()), (1, 1));
            }
        }
    }
}

#[test]
fn any_array_as_any_type_does_not_panic() {
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(1), None, Some(-7)])),
        Arc::new(UInt64Array::from(vec![Some(1), None, Some(u64::MAX)])),
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)])),
        Arc::new(StringArray::from(vec![Some("1"), None, Some("x")])),
        Arc::new(StringViewArray::from(vec![Some("1"), None, Some("longer than twelve bytes")])),
        Arc::new(BinaryViewArray::from(vec![Some(&b"1"[..]), None, Some(b"\xff")])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Date32Array::from(vec![Some(i32::MAX), None, Some(i32::MIN + 1)])),
        Arc::new(TimestampNanosecondArray::from(vec![Some(i64::MAX), None, Some(i64::MIN)])),
        Arc::new(Decimal256Array::from(vec![Some(i256::MAX), None, Some(i256::MIN)])),
        Arc::new(DurationSecondArray::from(vec![Some(1), None, Some(-1)])),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])])),
    ];
    for array in &arrays {
        for row in TYPES {
            for sql_type in [SqlType::from(row.base), SqlType::array(row.base)] {
                for format in [Format::Text, Format::Binary] {
                    let mut encoder = RowEncoder::new(vec![(sql_type, format)], Tz::UTC, 1);
                    let mut out = BytesMut::from(&b"before"[..]);
                    match encoder.encode_data_rows(&batch(vec![Arc::clone(array)]), 0..3, &mut out) {
                        Ok(()) => assert_eq!(parse_rows(&out[6..])[1], [None]),
                        Err(_) => assert_eq!(&out[..], b"before"),
                    }
                }
            }
        }
    }
}

#[test]
fn arrow_types_that_have_no_type_of_their_own() {
    assert_eq!(texts(Int8Array::from(vec![Some(-8), None]), Base::Int2), [Some("-8".to_owned()), None]);
    assert_eq!(shown(UInt64Array::from(vec![u64::MAX]), Base::Numeric), [u64::MAX.to_string()]);
    assert_eq!(
        shown(Float16Array::from_iter_values(Float32Array::from(vec![1.5]).values().iter().map(|v| half(*v))), Base::Float4),
        ["1.5"]
    );
    assert_eq!(shown(LargeStringArray::from(vec!["large"]), Base::Text), ["large"]);
    assert_eq!(
        shown(StringViewArray::from(vec!["", "short", "twelve bytes", "more than twelve bytes"]), Base::Text),
        ["", "short", "twelve bytes", "more than twelve bytes"]
    );
    assert_eq!(shown(BinaryViewArray::from(vec![&b"\x01"[..]]), Base::Bytea), ["\\x01"]);
    assert_eq!(shown(Date64Array::from(vec![86_400_000]), Base::Timestamp), ["1970-01-02 00:00:00"]);
    assert_eq!(shown(Date32Array::from(vec![1]), Base::Timestamp), ["1970-01-02 00:00:00"]);
    assert_eq!(shown(Time32SecondArray::from(vec![61]), Base::Time), ["00:01:01"]);
    assert_eq!(shown(TimestampSecondArray::from(vec![1]), Base::Timestamp), ["1970-01-01 00:00:01"]);
    assert_eq!(shown(TimestampNanosecondArray::from(vec![-1]), Base::Timestamp), ["1969-12-31 23:59:59.999999"]);
    assert_eq!(shown(TimestampSecondArray::from(vec![1]).with_timezone("+05:00"), Base::Timestamptz), ["1970-01-01 00:00:01+00"]);
    assert_eq!(shown(DurationSecondArray::from(vec![90]), Base::Interval), ["00:01:30"]);
    assert_eq!(
        shown(IntervalYearMonthArray::from_iter_values([IntervalYearMonthType::make_value(1, 2)]), Base::Interval),
        ["1 year 2 mons"]
    );
    let day_time = IntervalDayTimeArray::from_iter_values([IntervalDayTimeType::make_value(1, 2500)]);
    assert_eq!(shown(day_time, Base::Interval), ["1 day 00:00:02.5"]);
    let _ = IntervalDayTime::new(0, 0);
    let small = Decimal32Array::from(vec![-12345]).with_precision_and_scale(9, 2).unwrap();
    assert_eq!(shown(small, Base::Numeric), ["-123.45"]);
    let wide = Decimal256Array::from(vec![i256::MIN]).with_precision_and_scale(76, 2).unwrap();
    assert!(shown(wide, Base::Numeric)[0].ends_with("8199.68"));
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
    assert_eq!(texts(dictionary, Base::Text), [Some("a".to_owned()), None, Some("a".to_owned())]);
    let runs = RunArray::try_new(&Int32Array::from(vec![2, 3]), &StringArray::from(vec![Some("a"), None])).unwrap();
    assert_eq!(texts(runs, Base::Text), [Some("a".to_owned()), Some("a".to_owned()), None]);
}

fn half(value: f32) -> <arrow::datatypes::Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native {
    <arrow::datatypes::Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native::from_f32(value)
}

/// `array_out` and `record_out` of PostgreSQL 15.
#[test]
fn nested_values() {
    let rows = || [Some(vec![Some(1), None, Some(3)]), None, Some(vec![])];
    let expected = [Some("{1,NULL,3}".to_owned()), None, Some("{}".to_owned())];
    assert_eq!(texts(ListArray::from_iter_primitive::<Int32Type, _, _>(rows()), SqlType::array(Base::Int4)), expected);
    assert_eq!(texts(LargeListArray::from_iter_primitive::<Int32Type, _, _>(rows()), SqlType::array(Base::Int4)), expected);
    assert_eq!(texts(ListViewArray::from_iter_primitive::<Int32Type, _, _>(rows()), SqlType::array(Base::Int4)), expected);
    let sliced = ListArray::from_iter_primitive::<Int32Type, _, _>(rows()).slice(2, 1);
    assert_eq!(shown(sliced, SqlType::array(Base::Int4)), ["{}"]);
    let pairs = [Some(vec![Some(1), Some(2)]), Some(vec![Some(3), None])];
    let pairs = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(pairs, 2);
    assert_eq!(shown(pairs.clone(), SqlType::array(Base::Int4)), ["{1,2}", "{3,NULL}"]);
    let nested = ListArray::try_new(
        Arc::new(Field::new_list_field(pairs.data_type().clone(), true)),
        arrow::buffer::OffsetBuffer::from_lengths([2]),
        Arc::new(pairs),
        None,
    )
    .unwrap();
    assert_eq!(shown(nested, SqlType::array(Base::Int4)), ["{{1,2},{3,NULL}}"]);
    let strings = params::decode(0, SqlType::array(Base::Text), Format::Text, Some(b"{\"a,b\",\"NULL\",NULL,\"\"}"), &Tz::UTC);
    let sent = encode(strings.unwrap(), SqlType::array(Base::Text), Format::Text);
    assert_eq!(sent[0].as_deref(), Some(&b"{\"a,b\",\"NULL\",NULL,\"\"}"[..]));
    let column = |name: &str, array: ArrayRef| (Arc::new(Field::new(name, array.data_type().clone(), true)), array);
    let record = StructArray::from(vec![
        column("a", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        column("b", Arc::new(Int32Array::from(vec![None]))),
        column("c", Arc::new(StringArray::from(vec![""]))),
        column("d", Arc::new(StringArray::from(vec!["a b"]))),
        column("e", Arc::new(StringArray::from(vec!["x\"y"]))),
        column("f", Arc::new(StringArray::from(vec!["p\\q"]))),
        column("g", Arc::new(BooleanArray::from(vec![true]))),
    ]);
    assert_eq!(shown(record, Base::Record), [r#"(1,,"","a b","x""y","p\\q",t)"#]);
    let record = StructArray::from(vec![
        column("a", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        column("b", Arc::new(StringArray::new_null(1))),
    ]);
    let sent = encode(Arc::new(record), Base::Record.into(), Format::Binary).remove(0).unwrap();
    assert_eq!(hex(&sent), "0000000200000017000000040000000100000019ffffffff");
    let mut map = MapBuilder::new(None, StringBuilder::new(), arrow::array::Int32Builder::new());
    map.keys().append_value("a\"b");
    map.values().append_value(1);
    map.keys().append_value("c");
    map.values().append_null();
    map.append(true).unwrap();
    assert_eq!(shown(map.finish(), Base::Text), [r#"{"a\"b": 1, "c": null}"#]);
}

#[test]
fn numerics_as_text_keep_their_digits() {
    let values = ["1.50", "-12345678.9012", "NaN", "Infinity", "0.00"];
    assert_eq!(shown(StringArray::from(values.to_vec()), Base::Numeric), values);
    let sent = encode(Arc::new(StringArray::from(values.to_vec())), Base::Numeric.into(), Format::Binary);
    let sent: Vec<_> = sent.iter().map(|value| hex(value.as_deref().unwrap())).collect();
    assert_eq!(
        sent,
        [
            "000200000000000200011388",
            "0003000140000004 04d2162e2334".replace(' ', "").as_str(),
            "00000000c0000000",
            "00000000d0000000",
            "0000000000000002"
        ]
    );
}

#[test]
fn quotients_show_as_many_digits_as_postgres() {
    let array = Decimal128Array::from(vec![333_333_333_333_333_333_333_333, 10_000 * 10i128.pow(24) + 5, 0])
        .with_precision_and_scale(38, 24)
        .unwrap();
    let field =
        Field::new("avg", array.data_type().clone(), true).with_metadata([(QUOTIENT_KEY.to_owned(), "2".to_owned())].into());
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(array)]).unwrap();
    for format in [Format::Text, Format::Binary] {
        let mut encoder = RowEncoder::new(vec![(Base::Numeric.into(), format)], Tz::UTC, 1);
        let mut out = BytesMut::new();
        encoder.encode_data_rows(&batch, 0..3, &mut out).unwrap();
        let values: Vec<_> = parse_rows(&out).into_iter().map(|mut row| row.remove(0).unwrap()).collect();
        match format {
            Format::Text => {
                let texts: Vec<_> = values.iter().map(|value| std::str::from_utf8(value).unwrap()).collect();
                assert_eq!(texts, ["0.33333333333333333333", "10000.000000000000", "0.00000000000000000000"]);
            }
            Format::Binary => {
                let scales: Vec<_> = values.iter().map(|value| value[7]).collect();
                assert_eq!(scales, [20, 12, 20]);
            }
        }
    }
}

#[test]
fn many_rows_in_ranges() {
    let rows = 3000;
    let ints = Int64Array::from_iter((0..rows).map(|i| (i % 7 != 0).then_some(i * 1_000_003)));
    let strings = StringArray::from_iter((0..rows).map(|i| (i % 5 != 0).then(|| "x".repeat(i as usize % 90))));
    let views = StringViewArray::from_iter((0..rows).map(|i| (i % 3 != 0).then(|| "y".repeat(i as usize % 40))));
    let floats = Float64Array::from_iter((0..rows).map(|i| (i % 11 != 0).then_some(i as f64 / 8.0)));
    let batch = batch(vec![Arc::new(ints.clone()), Arc::new(strings.clone()), Arc::new(views.clone()), Arc::new(floats.clone())]);
    let columns = [Base::Int8, Base::Text, Base::Text, Base::Float8].map(|base| (base.into(), Format::Text)).to_vec();
    let mut encoder = RowEncoder::new(columns, Tz::UTC, 1);
    let mut out = BytesMut::new();
    for range in [0..1, 1..1500, 1500..1500, 1500..3000] {
        encoder.encode_data_rows(&batch, range, &mut out).unwrap();
    }
    let parsed = parse_rows(&out);
    assert_eq!(parsed.len(), rows as usize);
    let text = |value: &Option<Vec<u8>>| value.as_ref().map(|value| String::from_utf8(value.clone()).unwrap());
    for (row, values) in parsed.iter().enumerate() {
        assert_eq!(text(&values[0]), ints.is_valid(row).then(|| ints.value(row).to_string()));
        assert_eq!(text(&values[1]).as_deref(), strings.is_valid(row).then(|| strings.value(row)));
        assert_eq!(text(&values[2]).as_deref(), views.is_valid(row).then(|| views.value(row)));
        assert_eq!(text(&values[3]), floats.is_valid(row).then(|| floats.value(row).to_string()));
    }
    let mut visited = 0;
    encoder
        .each_value(&batch, 10..2000, |row, column, value| {
            assert_eq!(value, parsed[row + 10][column].as_deref());
            visited += 1;
        })
        .unwrap();
    assert_eq!(visited, 1990 * 4);
    assert!(encoder.encode_data_rows(&batch, 0..3001, &mut out).is_err());
}

/// The payloads of a run of CopyData frames.
fn copy_lines(mut frames: &[u8]) -> String {
    let mut lines = String::new();
    while !frames.is_empty() {
        assert_eq!(frames[0], b'd');
        let length = u32::from_be_bytes(frames[1..5].try_into().unwrap()) as usize;
        lines.push_str(std::str::from_utf8(&frames[5..=length]).unwrap());
        frames = &frames[length + 1..];
    }
    lines
}

#[test]
fn copy_formats() {
    let batch = batch(vec![
        Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(StringArray::from(vec![Some("a\tb\\c"), None, Some("")])),
        Arc::new(StringViewArray::from(vec![Some("x,y\"z"), Some("plain"), Some("two\nlines and more")])),
        Arc::new(Decimal128Array::from(vec![Some(150), None, Some(-5)]).with_precision_and_scale(15, 2).unwrap()),
        Arc::new(BinaryViewArray::from(vec![Some(&b"\x00"[..]), None, Some(b"")])),
    ]);
    let types = [Base::Int4, Base::Text, Base::Text, Base::Numeric, Base::Bytea];
    let columns: Vec<_> = types.iter().map(|base| ((*base).into(), Format::Text)).collect();
    let names: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    let written = |options: copy::CopyOptions| {
        let encoder = copy::Encoder::new(names.clone(), options).unwrap();
        let mut rows = RowEncoder::new(columns.clone(), Tz::UTC, 1);
        let mut out = BytesMut::new();
        RowEncoder::encode_copy_header(&encoder, &mut out).unwrap();
        rows.encode_copy_text_rows(&batch, 0..3, &encoder, &mut out).unwrap();
        copy_lines(&out)
    };
    assert_eq!(
        written(copy::CopyOptions::new(copy::Format::Text)),
        "1\ta\\tb\\\\c\tx,y\"z\t1.50\t\\\\x00\n\\N\t\\N\tplain\t\\N\t\\N\n3\t\ttwo\\nlines and more\t-0.05\t\\\\x\n"
    );
    let mut csv = copy::CopyOptions::new(copy::Format::Csv);
    csv.header = copy::Header::On;
    assert_eq!(
        written(csv.clone()),
        "a,b,c,d,e\n1,a\tb\\c,\"x,y\"\"z\",1.50,\\x00\n,,plain,,\n3,\"\",\"two\nlines and more\",-0.05,\\x\n"
    );
    csv.header = copy::Header::Off;
    csv.delimiter = b'1';
    csv.force_quote = copy::ColumnList::Named(vec!["c".to_owned()]);
    assert_eq!(
        written(csv),
        "\"1\"1a\tb\\c1\"x,y\"\"z\"1\"1.50\"1\\x00\n11\"plain\"11\n31\"\"1\"two\nlines and more\"1-0.051\\x\n"
    );
}

#[test]
fn parameters_that_are_refused() {
    use warpwise_engine::error::Condition;
    let refused =
        |sql_type: SqlType, format, bytes: &[u8]| params::decode(1, sql_type, format, Some(bytes), &Tz::UTC).unwrap_err();
    let error = refused(Base::Int4.into(), Format::Binary, &[0; 3]);
    assert_eq!((error.condition, error.message.as_str()), (Condition::ProtocolViolation, "insufficient data left in message"));
    let error = refused(Base::Int4.into(), Format::Binary, &[0; 5]);
    assert_eq!(error.message, "incorrect binary data format in bind parameter 2");
    let error = refused(Base::Int4.into(), Format::Text, b"x");
    assert_eq!(error.message, "invalid input syntax for type integer: \"x\"");
    let error = refused(Base::Text.into(), Format::Binary, b"a\xff");
    assert_eq!(error.message, "invalid byte sequence for encoding \"UTF8\": 0xff");
    let error = refused(Base::Text.into(), Format::Text, b"a\0");
    assert_eq!(error.message, "invalid byte sequence for encoding \"UTF8\": 0x00");
    let error = refused(Base::Numeric.into(), Format::Text, b"1.2.3");
    assert_eq!(error.message, "invalid input syntax for type numeric: \"1.2.3\"");
    let error = refused(Base::Numeric.into(), Format::Binary, &[0, 1, 0, 0, 0x12, 0x34, 0, 0, 0, 1]);
    assert_eq!(error.message, "invalid sign in external \"numeric\" value");
    let error = refused(SqlType::array(Base::Int4), Format::Binary, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25]);
    assert_eq!(error.message, "binary data has array element type 25 (text) instead of expected 23 (integer)");
    // An array that claims more elements than there are bytes takes no memory for them.
    let mut huge = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1];
    huge.extend([0, 0, 0, 4, 0, 0, 0, 1]);
    assert_eq!(refused(SqlType::array(Base::Int4), Format::Binary, &huge).message, "insufficient data left in message");
    for row in TYPES {
        for sql_type in [SqlType::from(row.base), SqlType::array(row.base)] {
            for fill in [0x00, 0x01, 0x7f, 0xff] {
                for length in 0..40 {
                    let _ = params::decode(0, sql_type, Format::Binary, Some(&vec![fill; length]), &Tz::UTC);
                    let _ = params::decode(0, sql_type, Format::Text, Some(&vec![fill; length]), &Tz::UTC);
                }
            }
        }
    }
}

#[test]
fn numeric_parameters_keep_their_scale() {
    for (text, data_type) in [
        ("1.50", DataType::Decimal128(38, 2)),
        ("-12e3", DataType::Decimal128(38, 0)),
        ("1.5e-3", DataType::Decimal128(38, 4)),
        ("0000000000000000000000000000000000000000000000000001", DataType::Decimal128(38, 0)),
        ("12345678901234567890123456789012345678901.5", DataType::Decimal256(76, 1)),
    ] {
        let array = params::decode(0, Base::Numeric.into(), Format::Text, Some(text.as_bytes()), &Tz::UTC).unwrap();
        assert_eq!(*array.data_type(), data_type, "{text}");
        let sent = encode(Arc::clone(&array), Base::Numeric.into(), Format::Binary).remove(0).unwrap();
        let back = params::decode(0, Base::Numeric.into(), Format::Binary, Some(&sent), &Tz::UTC).unwrap();
        assert_eq!(*back, *array, "{text}");
    }
    let array = params::decode(0, SqlType::numeric(5, 1), Format::Text, Some(b"1.25"), &Tz::UTC).unwrap();
    assert_eq!(
        shown(
            arrow::array::make_array(array.to_data()).as_any().downcast_ref::<Decimal128Array>().unwrap().clone(),
            Base::Numeric
        ),
        ["1.3"]
    );
    let long = "9".repeat(77);
    assert!(params::decode(0, Base::Numeric.into(), Format::Text, Some(long.as_bytes()), &Tz::UTC).is_err());
}
