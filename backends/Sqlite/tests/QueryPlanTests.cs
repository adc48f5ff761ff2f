using Millrace.Sqlite.Engine;
using Millrace.Storage;
using Xunit;

namespace Millrace.Sqlite.Tests;

public sealed class QueryPlanTests
{
    /// <summary>
    /// The law behind the backlog figures: no kept statement sorts, and none reads a table from end to end, but for the few bindings, which every publish needs.
    /// Statements that are not kept (pragmas, the schema) are not asked.
    /// </summary>
    [Fact]
    public async Task NoStatement_SortsOrScans()
    {
        using var folder = new TemporaryFolder();
        var cancellation = TestContext.Current.CancellationToken;
        await using var backend = (SqliteBackend)await SqliteBackend.OpenAsync(BackendUrl.Parse(folder.Url()), new BackendContext(), cancellation);
        using var connection = Connection.Open(folder.File, create: false, busyTimeoutMs: 1000);
        var wrong = new List<string>();
        var asked = 0;
        foreach (var sql in backend.Store.Statements.Select(statement => statement.Sql).Distinct().Where(IsQuery))
        {
            asked++;
            using var plan = new Statement(connection, "EXPLAIN QUERY PLAN " + sql);
            while (plan.Step())
            {
                // A subquery of one's own making is scanned once it has been found by a search.
                var step = plan.Text(3)!;
                if (step.Contains("TEMP B-TREE", StringComparison.Ordinal)
                    || (step.StartsWith("SCAN", StringComparison.Ordinal) && !step.Contains("SUBQUERY", StringComparison.OrdinalIgnoreCase) && step != "SCAN CONSTANT ROW"))
                {
                    wrong.Add($"{step}: {sql}");
                }
            }
        }

        Assert.InRange(asked, 60, int.MaxValue);
        Assert.Empty(wrong);
    }

    private static bool IsQuery(string sql) =>
        sql.StartsWith("SELECT", StringComparison.Ordinal) || sql.StartsWith("UPDATE", StringComparison.Ordinal)
        || sql.StartsWith("DELETE", StringComparison.Ordinal) || sql.StartsWith("INSERT", StringComparison.Ordinal);
}
