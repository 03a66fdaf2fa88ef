//! A client can neither read nor write the server's files, whatever DataFusion itself would allow.

mod support;

use support::server::Server;

/// What COPY with a file or a program answers, as in PostgreSQL for one who is not a superuser.
const REFUSED: &str = "42501";

#[test]
fn copy_with_a_file_is_refused() {
    let server = Server::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out.csv");
    let target = target.display();
    let mut client = server.connect();
    client.run("create table server_files (a text)");
    for sql in [
        format!("copy server_files to '{target}'"),
        format!("copy server_files to '{target}' with (format csv)"),
        format!("copy (select 1) to '{target}'"),
        "copy server_files from '/etc/passwd'".to_owned(),
        format!("copy server_files to program 'cat > {target}'"),
        "copy server_files from program 'cat /etc/passwd'".to_owned(),
    ] {
        for extended in [false, true] {
            let outcome = if extended { client.extended(&sql, &[], false).map(|_| ()) } else { client.query(&sql).map(|_| ()) };
            let failure = outcome.expect_err(&sql);
            assert_eq!(failure.code(), REFUSED, "{sql}: {failure}");
        }
    }
    assert_eq!(client.value("select count(*) from server_files"), "0");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "a file was written");
}

#[test]
fn nothing_else_opens_a_file() {
    let server = Server::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("secret.csv");
    std::fs::write(&source, "a\nsecret\n").expect("a file");
    let (source, folder) = (source.display().to_string(), folder.path().display().to_string());
    let mut client = server.connect();
    for sql in [
        format!("create external table stolen stored as csv location '{source}' options ('format.has_header' 'true')"),
        format!("create external table stolen (a text) stored as csv location '{source}'"),
        format!("create unbounded external table stolen (a text) stored as csv location '{source}'"),
        format!("select * from '{source}'"),
        format!("select * from \"{source}\""),
        format!("select * from \"file://{source}\""),
        format!("select * from read_csv('{source}')"),
        format!("select * from csv_scan('{source}')"),
        format!("select pg_read_file('{source}')"),
        format!("select pg_read_binary_file('{source}')"),
        format!("select pg_ls_dir('{folder}')"),
        format!("select pg_stat_file('{source}')"),
        format!("copy (select 1) to '{folder}/out.parquet' stored as parquet"),
        format!("explain analyze copy (select 1) to '{folder}/out.csv' stored as csv"),
        format!("prepare thief as copy (select 1) to '{folder}/out.csv'"),
        format!("with x as (select 1) insert into '{source}' select * from x"),
        format!("create function thief() returns text as '{source}' language c"),
        format!("load '{source}'"),
        "select lo_import('/etc/passwd')".to_owned(),
    ] {
        for extended in [false, true] {
            let outcome = if extended {
                client.extended(&sql, &[], false)
            } else {
                client.query(&sql).map(|all| all.into_iter().next().unwrap_or_default())
            };
            if let Ok(answer) = outcome {
                panic!("{sql}\nwas answered: {:?}", answer.text());
            }
        }
    }
    let left = std::fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(left, 1, "a file was written beside {source}");
    assert!(client.query("select * from stolen").is_err(), "a table was made of a file");
}
