//! The eight tables and PostgreSQL's types of their columns (clause 1.4 of the specification).
//!
//! Keys are as wide as the generator gives them. Fixed text is `character(n)` in the specification; only
//! the three flags of one character are so here, since no other value is padded to its length.

use crate::types::{Base, SqlType};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its PostgreSQL type.
    pub sql_type: SqlType,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, none of which has NULLs.
    pub columns: &'static [Column],
    /// Positions of the primary key's columns.
    pub primary_key: &'static [usize],
}

const fn plain(base: Base) -> SqlType {
    SqlType { base, array: false, typmod: -1 }
}

const fn varchar(length: i32) -> SqlType {
    SqlType { base: Base::Varchar, array: false, typmod: length + 4 }
}

const BIGINT: SqlType = plain(Base::Int8);
const INTEGER: SqlType = plain(Base::Int4);
const DATE: SqlType = plain(Base::Date);
const FLAG: SqlType = SqlType { base: Base::Bpchar, array: false, typmod: 1 + 4 };
const MONEY: SqlType = SqlType { base: Base::Numeric, array: false, typmod: ((15 << 16) | 2) + 4 };

macro_rules! columns {
    ($($name:ident $sql_type:expr),* $(,)?) => {
        &[$(Column { name: stringify!($name), sql_type: $sql_type }),*]
    };
}

/// The tables, in the specification's order.
pub const TABLES: &[Table] = &[
    Table {
        name: "part",
        columns: columns![
            p_partkey BIGINT,
            p_name varchar(55),
            p_mfgr varchar(25),
            p_brand varchar(10),
            p_type varchar(25),
            p_size INTEGER,
            p_container varchar(10),
            p_retailprice MONEY,
            p_comment varchar(23),
        ],
        primary_key: &[0],
    },
    Table {
        name: "supplier",
        columns: columns![
            s_suppkey BIGINT,
            s_name varchar(25),
            s_address varchar(40),
            s_nationkey BIGINT,
            s_phone varchar(15),
            s_acctbal MONEY,
            s_comment varchar(101),
        ],
        primary_key: &[0],
    },
    Table {
        name: "partsupp",
        columns: columns![
            ps_partkey BIGINT,
            ps_suppkey BIGINT,
            ps_availqty INTEGER,
            ps_supplycost MONEY,
            ps_comment varchar(199),
        ],
        primary_key: &[0, 1],
    },
    Table {
        name: "customer",
        columns: columns![
            c_custkey BIGINT,
            c_name varchar(25),
            c_address varchar(40),
            c_nationkey BIGINT,
            c_phone varchar(15),
            c_acctbal MONEY,
            c_mktsegment varchar(10),
            c_comment varchar(117),
        ],
        primary_key: &[0],
    },
    Table {
        name: "orders",
        columns: columns![
            o_orderkey BIGINT,
            o_custkey BIGINT,
            o_orderstatus FLAG,
            o_totalprice MONEY,
            o_orderdate DATE,
            o_orderpriority varchar(15),
            o_clerk varchar(15),
            o_shippriority INTEGER,
            o_comment varchar(79),
        ],
        primary_key: &[0],
    },
    Table {
        name: "lineitem",
        columns: columns![
            l_orderkey BIGINT,
            l_partkey BIGINT,
            l_suppkey BIGINT,
            l_linenumber INTEGER,
            l_quantity MONEY,
            l_extendedprice MONEY,
            l_discount MONEY,
            l_tax MONEY,
            l_returnflag FLAG,
            l_linestatus FLAG,
            l_shipdate DATE,
            l_commitdate DATE,
            l_receiptdate DATE,
            l_shipinstruct varchar(25),
            l_shipmode varchar(10),
            l_comment varchar(44),
        ],
        primary_key: &[0, 3],
    },
    Table {
        name: "nation",
        columns: columns![n_nationkey BIGINT, n_name varchar(25), n_regionkey BIGINT, n_comment varchar(152)],
        primary_key: &[0],
    },
    Table {
        name: "region",
        columns: columns![r_regionkey BIGINT, r_name varchar(25), r_comment varchar(152)],
        primary_key: &[0],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_the_generator() {
        assert_eq!(MONEY, SqlType::numeric(15, 2));
        assert_eq!(varchar(25), SqlType::varchar(25));
        assert_eq!(FLAG.sql_name(), "character(1)");
        assert_eq!(TABLES.iter().map(|table| table.columns.len()).sum::<usize>(), 61);
    }
}
