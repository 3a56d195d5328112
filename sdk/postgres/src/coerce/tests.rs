//! Values of one type in a column of another.

use arrow_array::*;

use super::*;
use crate::value::time;

fn coerce(array: impl Array + 'static, to: &str) -> (ArrayRef, Vec<usize>) {
    let array: ArrayRef = Arc::new(array);
    let column = Column::new("c", Type::parse(to, None).unwrap());
    let coercion = Coercion::new(array.data_type(), &column).unwrap();
    let mut faults = Vec::new();
    let converted = coercion.convert(&array, &mut faults);
    assert_eq!(converted.data_type(), coercion.kind());
    encode::takes(coercion.kind(), &column).unwrap();
    (converted, faults.into_iter().map(|fault| fault.0).collect())
}

#[test]
fn a_text_becomes_a_number_only_if_nothing_is_lost() {
    let texts = ["12", "-7.00", "12.5", "x", "9223372036854775808", ""];
    let (numbers, faults) = coerce(StringArray::from_iter_values(texts), "bigint");
    assert_eq!(numbers.as_primitive::<Int64Type>().values()[..2], [12, -7]);
    assert_eq!(faults, [2, 3, 4, 5]);
    let texts = ["0.1", "12.50", "1e300", "0.12345678901234567890", "NaN"];
    let (_, faults) = coerce(StringArray::from_iter_values(texts), "double precision");
    assert_eq!(faults, [3]);
    let (_, faults) = coerce(StringArray::from_iter_values(["0.1", "16777217"]), "real");
    assert_eq!(faults, [1]);
}

#[test]
fn everything_becomes_text_as_sql_writes_it() {
    let text = |array: ArrayRef| array.as_string::<i32>().value(0).to_owned();
    assert_eq!(
        text(coerce(BooleanArray::from(vec![true]), "text").0),
        "true"
    );
    assert_eq!(text(coerce(Int32Array::from(vec![-5]), "text").0), "-5");
    let date = Date32Array::from(vec![0]);
    assert_eq!(text(coerce(date, "text").0), "1970-01-01");
    let time = TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC");
    assert_eq!(text(coerce(time, "text").0), "1970-01-01 00:00:01.5+00");
}

#[test]
fn times_become_dates_at_midnight_and_zones_are_utc() {
    let times = TimestampMicrosecondArray::from(vec![0, time::DAY, 1, i64::MAX]);
    let (dates, faults) = coerce(times, "date");
    assert_eq!(faults, [2]);
    let dates = dates.as_primitive::<Date32Type>();
    assert_eq!((dates.value(1), dates.value(3)), (1, i32::MAX));
    let texts = [
        "2020-01-01",
        "2020-01-01 10:00:00",
        "2020-01-01T10:00:00+02",
        "soon",
    ];
    let (times, faults) = coerce(
        StringArray::from_iter_values(texts),
        "timestamp with time zone",
    );
    assert_eq!(faults, [3]);
    let times = times.as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.value(1) - times.value(2), 2 * 3_600_000_000);
    let (times, _) = coerce(Date32Array::from(vec![1]), "timestamp without time zone");
    assert_eq!(
        times.as_primitive::<TimestampMicrosecondType>().value(0),
        time::DAY
    );
}

#[test]
fn digits_that_a_column_does_not_keep_are_not_rounded_away() {
    let texts = ["1.5", "1.25", "1.50", "100", "NaN"];
    let (kept, faults) = coerce(StringArray::from_iter_values(texts), "numeric(3,1)");
    assert_eq!(faults, [1, 3]);
    assert_eq!(kept.null_count(), 2);
    let (_, faults) = coerce(Float64Array::from(vec![0.5, 0.25]), "numeric(3,1)");
    assert_eq!(faults, [1]);
    let (_, faults) = coerce(Int64Array::from(vec![5]), "numeric(3,1)");
    assert!(faults.is_empty());
    let times = TimestampMicrosecondArray::from(vec![1_000_000, 1_500_000, i64::MIN]);
    let (_, faults) = coerce(times, "timestamp(0) without time zone");
    assert_eq!(faults, [1]);
}

#[test]
fn truth_values_are_zero_and_one() {
    let (values, faults) = coerce(Int32Array::from(vec![0, 1, 2]), "boolean");
    assert_eq!(faults, [2]);
    assert!(values.as_boolean().value(1));
    let (values, _) = coerce(BooleanArray::from(vec![true]), "bigint");
    assert_eq!(values.as_primitive::<Int16Type>().value(0), 1);
}

#[test]
fn what_has_no_way_is_refused_with_both_types() {
    let column = Column::new("c", Type::parse("integer", None).unwrap());
    let Err(error) = Coercion::new(&DataType::Date32, &column) else {
        panic!("a date is no integer");
    };
    assert!(error.message.contains("integer") && error.message.contains("Date32"));
}
