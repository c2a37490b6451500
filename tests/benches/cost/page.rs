//! A table in Markdown, aligned for a terminal.

/// Prints a table whose first row is its head. Columns of numbers are aligned to the right.
pub(crate) fn print(title: &str, rows: &[Vec<String>]) {
    let Some((head, body)) = rows.split_first() else {
        return;
    };
    let columns: Vec<Column> = (0..head.len())
        .map(|index| Column::of(index, head, body))
        .collect();
    println!("\n## {title}\n");
    print_row(
        head.iter()
            .zip(&columns)
            .map(|(cell, column)| column.aligned(cell)),
    );
    print_row(columns.iter().map(Column::rule));
    for row in body {
        print_row(
            row.iter()
                .zip(&columns)
                .map(|(cell, column)| column.aligned(cell)),
        );
    }
}

fn print_row(cells: impl Iterator<Item = String>) {
    println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
}

struct Column {
    width: usize,
    is_of_numbers: bool,
}

impl Column {
    fn of(index: usize, head: &[String], body: &[Vec<String>]) -> Self {
        let cells = || body.iter().filter_map(|row| row.get(index));
        let width = cells()
            .chain(head.get(index))
            .map(|cell| cell.chars().count())
            .max();
        Self {
            width: width.unwrap_or_default().max(2),
            is_of_numbers: cells().all(|cell| cell.parse::<f64>().is_ok()),
        }
    }

    fn aligned(&self, cell: &str) -> String {
        let width = self.width;
        if self.is_of_numbers {
            format!("{cell:>width$}")
        } else {
            format!("{cell:<width$}")
        }
    }

    fn rule(&self) -> String {
        let dashes = "-".repeat(self.width - 1);
        if self.is_of_numbers {
            format!("{dashes}:")
        } else {
            format!("{dashes}-")
        }
    }
}

/// One row of text.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}
