//! A table in Markdown, aligned for a terminal.

/// Prints a table. The first row is its head; all but the first column are numbers.
pub(crate) fn print(title: &str, rows: &[Vec<String>]) {
    println!("\n## {title}\n");
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
                .max(2)
        })
        .collect();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| {
                let cell = row.get(column).map_or("", String::as_str);
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        println!("| {} |", cells.join(" | "));
        if index == 0 {
            let rules: Vec<String> = widths
                .iter()
                .enumerate()
                .map(|(column, width)| {
                    let dashes = "-".repeat(width - usize::from(column > 0));
                    if column == 0 {
                        dashes
                    } else {
                        format!("{dashes}:")
                    }
                })
                .collect();
            println!("| {} |", rules.join(" | "));
        }
    }
}

/// One row of text.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}
