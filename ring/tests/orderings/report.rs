//! What became of each mutant, as a page: written by a run, and read back by the test that keeps it honest.

use super::Mutant;

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// This model failed.
    Killed(String),
    /// So many models ran, of so many that come by the place, and none failed.
    Survived(usize, usize),
}

/// A mutant's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub change: String,
    pub at: String,
    pub fate: Fate,
}

/// Where survivors are justified.
pub const JUSTIFIED: &str = "Orderings that no model tells from relaxed";
const LINK: &str = "[why](MEMORY_ORDERING.md#orderings-that-no-model-tells-from-relaxed)";

impl Row {
    pub fn new(mutant: &Mutant, fate: Fate) -> Self {
        Self { name: mutant.name.clone(), change: mutant.change.clone(), at: mutant.place.at.clone(), fate }
    }
}

/// The page.
pub fn render(rows: &[Row], models: usize) -> String {
    let killed = rows.iter().filter(|row| matches!(row.fate, Fate::Killed(_))).count();
    let unseen = rows.iter().filter(|row| row.fate == Fate::Survived(0, 0)).count();
    let mut page = format!(
        "# Weakened memory orderings\n\n\
         Written by `.ci/mutate-orderings`: not to be changed by hand. Every memory ordering stronger than relaxed in `ring`,\n\
         `fanout` and `engine` was weakened alone, and every fence taken away alone. Of the {models} loom models those ran that come by\n\
         its place, the short ones first, until one failed, which is named, or they had taken a minute together.\n\n\
         {} mutants: {killed} killed, {} survived in all models, {unseen} of these since no model comes by.\n\n\
         | name | change | place | fate |\n|---|---|---|---|\n",
        rows.len(),
        rows.len() - killed,
    );
    page.extend(rows.iter().map(line));
    page
}

/// A row's line.
pub fn line(Row { name, change, at, fate }: &Row) -> String {
    let fate = match fate {
        Fate::Killed(model) => format!("killed by `{model}`"),
        Fate::Survived(ran, of) => format!("survived {ran} of {of} models: {LINK}"),
    };
    format!("| `{name}` | {change} | `{at}` | {fate} |\n")
}

/// The rows of a page.
pub fn parse(page: &str) -> Vec<Row> {
    page.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ");
    let name = cells.next()?.strip_suffix('`')?.to_owned();
    let change = cells.next()?.to_owned();
    let at = cells.next()?.trim_matches('`').to_owned();
    let fate = cells.next()?;
    let fate = match fate.strip_prefix("killed by `") {
        Some(model) => Fate::Killed(model.trim_end_matches('`').to_owned()),
        None => {
            let (ran, of) = fate.strip_prefix("survived ")?.split_once(" models")?.0.split_once(" of ")?;
            Fate::Survived(ran.parse().ok()?, of.parse().ok()?)
        }
    };
    Some(Row { name, change, at, fate })
}

/// The names that a page's section on survivors justifies: what stands in the first column of its table.
pub fn justified(page: &str) -> Vec<String> {
    let heading = format!("## {JUSTIFIED}");
    let section = page.split(&heading).nth(1).unwrap_or("").split("\n## ").next().unwrap_or("");
    let first_cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    first_cells
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim().trim_matches('`').to_owned())
        .collect()
}
