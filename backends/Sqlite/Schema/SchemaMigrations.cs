using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Queues;

namespace Millrace.Sqlite.Schema;

/// <summary>
/// Brings a file to the schema of this version. To change the format: add the next numbered file to this folder, add it to <see cref="Scripts"/>, and add a
/// test that migrates a file of the version before. A released script is never edited.
/// </summary>
internal static partial class SchemaMigrations
{
    private const string Program = "millrace";

    private static readonly string[] Scripts = ["0001-initial.sql", "0002-streams.sql"];

    /// <summary>The version that this library reads and writes.</summary>
    public static int Newest => Scripts.Length;

    /// <summary>Creates or upgrades the tables with a prefix, all or nothing.</summary>
    /// <exception cref="StorageCorruptException">The tables are of another program or a newer version; nothing was changed.</exception>
    public static void Apply(Connection connection, string tablePrefix)
    {
        connection.Begin();
        try
        {
            var version = ReadVersion(connection, tablePrefix);
            if (version == Newest)
            {
                connection.Rollback();
                return;
            }

            for (var next = version; next < Scripts.Length; next++)
            {
                connection.Execute(ReadScript(Scripts[next], tablePrefix));
            }

            if (version == 0)
            {
                var salt = RandomNumberGenerator.GetInt32(1 << StoredId.SaltBits);
                connection.Execute(string.Create(
                    CultureInfo.InvariantCulture,
                    $"INSERT INTO {tablePrefix}store (id, salt, sequence, revision, fence) VALUES (1, {salt}, 1, 0, 0)"));
            }

            connection.Execute(string.Create(
                CultureInfo.InvariantCulture,
                $"INSERT OR REPLACE INTO {tablePrefix}meta (name, value) VALUES ('version', '{Newest}')"));
            connection.Commit();
        }
        catch
        {
            connection.Rollback();
            throw;
        }
    }

    private static int ReadVersion(Connection connection, string tablePrefix)
    {
        // A prefix is letters, digits and underscores, so it can stand in the text of a statement. SQLite compares names without case, but not those in its schema.
        if (connection.QueryNumber($"SELECT 1 FROM sqlite_schema WHERE name = '{tablePrefix}meta' COLLATE NOCASE") is null)
        {
            var names = Scripts.SelectMany(script => TableName().Matches(ReadScript(script, tablePrefix))).Select(match => $"'{match.Groups[1].Value}'");
            var other = connection.QueryText($"SELECT name FROM sqlite_schema WHERE name COLLATE NOCASE IN ({string.Join(", ", names)})");
            if (other is not null)
            {
                throw Foreign(connection, tablePrefix, $"it has a '{other}' that Millrace did not make");
            }

            connection.Execute($"CREATE TABLE {tablePrefix}meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID; INSERT INTO {tablePrefix}meta VALUES ('program', '{Program}')");
            return 0;
        }

        string? program, version;
        try
        {
            program = connection.QueryText($"SELECT value FROM {tablePrefix}meta WHERE name = 'program'");
            version = connection.QueryText($"SELECT value FROM {tablePrefix}meta WHERE name = 'version'");
        }
        catch (BackendUnavailableException)
        {
            throw Foreign(connection, tablePrefix, $"its table '{tablePrefix}meta' is not Millrace's");
        }

        if (program != Program || !int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < 1)
        {
            throw Foreign(connection, tablePrefix, $"its table '{tablePrefix}meta' is not Millrace's");
        }

        return number <= Newest
            ? number
            : throw new StorageCorruptException(
                $"The file '{connection.File}' was written by a newer Millrace: its schema version is {number}, this one reads up to {Newest}. Update Millrace.Sqlite.");
    }

    private static StorageCorruptException Foreign(Connection connection, string tablePrefix, string why) =>
        new($"The database '{connection.File}' cannot be used with the table prefix '{tablePrefix.TrimEnd('_')}': {why}. Choose another prefix (?prefix=…) or another file.");

    [GeneratedRegex(@"^CREATE TABLE (\w+)", RegexOptions.Multiline)]
    private static partial Regex TableName();

    private static string ReadScript(string name, string tablePrefix)
    {
        using var stream = typeof(SchemaMigrations).Assembly.GetManifestResourceStream("Millrace.Sqlite.Schema." + name)
            ?? throw new InvalidOperationException($"The assembly lacks its resource {name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Replace("{t}", tablePrefix, StringComparison.Ordinal);
    }
}
