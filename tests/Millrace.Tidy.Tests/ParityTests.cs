using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Millrace.Tidy.Tests;

/// <summary>What the page of promises names is there: types, commands, requests and tests. Where its links lead is <see cref="DocumentTests"/>'.</summary>
public sealed partial class ParityTests
{
    private const string Kept = "yes";
    private const string Differently = "differently";
    private const string NotYet = "not yet";
    private const BindingFlags Anything = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.FlattenHierarchy;

    private static readonly ParityPage Page = ParityPage.Read("docs/parity.md");

    private static readonly ILookup<string, Type> Types = PublicApiTests.Libraries
        .SelectMany(library => Assembly.Load(library.Data.Item1).GetExportedTypes())
        .ToLookup(type => type.Name.Split('`')[0]);

    /// <summary>The classes of tests and of the suites, in all their parts.</summary>
    private static readonly ILookup<string, ClassDeclarationSyntax> TestClasses = Repository.Sources
        .Where(file => !file.IsProduct || file.Path.StartsWith("src/Millrace.Testing/", StringComparison.Ordinal))
        .SelectMany(file => file.Syntax.DescendantNodes().OfType<ClassDeclarationSyntax>())
        .ToLookup(type => type.Identifier.Text);

    [Fact]
    public void EveryRow_SaysHow_AndIsProven_OrSaysThatItIsNotThereYet()
    {
        var wrong =
            from row in Page.Rows
            let problem = row switch
            {
                { Kept: not (Kept or Differently or NotYet) } => $"'{row.Kept}' is none of {Kept}, {Differently}, {NotYet}",
                { Here: "" } => "nothing says how, or what is missing",
                { Kept: NotYet } => null,
                { Proof: "" } => "no test proves it",
                _ when !row.Guide.Contains(".md#", StringComparison.Ordinal) => "no part of a guide shows it",
                { Kept: Differently } when !row.Here.Contains("](decisions/", StringComparison.Ordinal) => "no decision says why",
                _ => null,
            }
            where problem is not null
            select $"{row}: {problem}";

        Assert.NotEmpty(Page.Rows);
        RequireNone(wrong);
    }

    [Fact]
    public void TheCounts_AreThoseOfTheTables()
    {
        var counted = Page.Rows.GroupBy(row => row.Section).Select(rows => (
            rows.Key,
            rows.Count(row => row.Kept == Kept),
            rows.Count(row => row.Kept == Differently),
            rows.Count(row => row.Kept == NotYet)));

        Assert.Equal(counted, Page.Counts);
    }

    [Fact]
    public void WhatIsNamed_IsThere()
    {
        var commands = Repository.Sources.Where(file => file.Path.StartsWith("apps/millrace/", StringComparison.Ordinal)).SelectMany(TextsIn).ToHashSet(StringComparer.Ordinal);
        var paths = Repository.Sources.Where(file => file.Path.StartsWith("src/Millrace.Server/", StringComparison.Ordinal)).SelectMany(TextsIn).ToHashSet(StringComparer.Ordinal);
        var missing =
            from row in Page.Rows
            from name in ParityPage.CodeIn(row.Here)
            where !IsThere(name, commands, paths)
            select $"{row}: '{name}'";

        RequireNone(missing);
    }

    [Fact]
    public void EveryProof_IsATest()
    {
        var missing =
            from row in Page.Rows
            from name in ParityPage.CodeIn(row.Proof)
            where !IsTest(name)
            select $"{row}: '{name}'";

        RequireNone(missing);
    }

    // As one text: a collection would be cut off in the report.
    private static void RequireNone(IEnumerable<string> wrong) => Assert.True(!wrong.Any(), string.Join('\n', wrong));

    private static bool IsThere(string name, HashSet<string> commands, HashSet<string> paths)
    {
        if (TypeName().Match(name) is { Success: true } match)
        {
            var member = match.Groups["member"];
            return Types[match.Groups["type"].Value].Any(type => !member.Success || type.GetMember(member.Value, Anything).Length > 0);
        }

        if (name.StartsWith("millrace ", StringComparison.Ordinal))
        {
            return name.Split(' ')[1..].Where(word => !char.IsAsciiLetterUpper(word[0])).All(commands.Contains);
        }

        // Other code is an option, a header, a URL or a key: guides say what these mean, and tests run guides.
        return Request().Match(name) is not { Success: true } request || paths.Contains(request.Groups["path"].Value);
    }

    private static bool IsTest(string name)
    {
        var parts = name.Split('.');
        var classes = TestClasses[parts[0]].ToList();
        return parts.Length switch
        {
            // A suite that is bound to a backend is a class without members of its own.
            1 => classes.Exists(type => type.BaseList is not null || type.Members.Any(IsTest)),
            2 => classes.Exists(type => type.Members.Any(member => IsTest(member) && ((MethodDeclarationSyntax)member).Identifier.Text == parts[1])),
            _ => false,
        };
    }

    private static bool IsTest(MemberDeclarationSyntax member) =>
        member is MethodDeclarationSyntax method
        && method.AttributeLists.SelectMany(list => list.Attributes).Any(attribute => attribute.Name.ToString() is "Fact" or "Theory");

    private static IEnumerable<string> TextsIn(SourceFile file) =>
        file.Syntax.DescendantTokens().Where(token => token.IsKind(SyntaxKind.StringLiteralToken)).Select(token => token.ValueText);

    [GeneratedRegex(@"^(?<type>(?=[A-Za-z0-9]*[a-z])[A-Z][A-Za-z0-9]*)(\.(?<member>[A-Z][A-Za-z0-9]*))?$")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"^(GET|PUT|POST|DELETE) (/api/v1/)?(?<path>\S+)$")]
    private static partial Regex Request();
}

/// <summary>A row of a table of promises.</summary>
internal sealed record ParityRow(string Section, string Promise, string Kept, string Here, string Proof, string Guide)
{
    public override string ToString() => $"{Section}: {Promise}";
}

/// <summary>The page of promises, taken apart: a section has one table, and the first table of the page counts them.</summary>
internal sealed partial class ParityPage
{
    private const int Columns = 5;

    private readonly List<ParityRow> _rows = [];
    private readonly List<(string Section, int Kept, int Differently, int NotYet)> _counts = [];

    public IReadOnlyList<ParityRow> Rows => _rows;

    public IReadOnlyList<(string Section, int Kept, int Differently, int NotYet)> Counts => _counts;

    public static ParityPage Read(string path)
    {
        var page = new ParityPage();
        string? section = null;
        foreach (var line in File.ReadAllLines(Path.Combine(Repository.Root, path)))
        {
            if (line.StartsWith("## ", StringComparison.Ordinal))
            {
                section = line[3..];
            }
            else if (line.StartsWith("| ", StringComparison.Ordinal) && line.Trim('|').Split('|', StringSplitOptions.TrimEntries) is var cells && cells[0] != "promise")
            {
                page.Add(section, cells, line);
            }
        }

        return page;
    }

    public static IEnumerable<string> CodeIn(string cell) => Code().Matches(cell).Select(match => match.Groups["code"].Value);

    private void Add(string? section, string[] cells, string line)
    {
        if (section is null)
        {
            if (Link().Match(cells[0]) is { Success: true } name)
            {
                var counts = Array.ConvertAll(cells[1..], cell => int.Parse(cell, CultureInfo.InvariantCulture));
                _counts.Add((name.Groups["text"].Value, counts[0], counts[1], counts[2]));
            }

            return;
        }

        Assert.True(cells.Length == Columns, $"A row has {Columns} cells: {line}");
        _rows.Add(new ParityRow(section, cells[0], cells[1], cells[2], cells[3], cells[4]));
    }

    [GeneratedRegex("`(?<code>[^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"^\[(?<text>[^\]]+)\]\(#")]
    private static partial Regex Link();
}
