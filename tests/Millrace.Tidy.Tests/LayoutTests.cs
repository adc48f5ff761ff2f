using System.Xml.Linq;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Millrace.Tidy.Tests;

/// <summary>What a newcomer relies on to find things: names, folders and the direction of dependencies.</summary>
public sealed class LayoutTests
{
    private static readonly string[] EmptyNames = ["Common", "Helper", "Helpers", "Util", "Utils", "Misc", "Manager", "Managers", "Shared"];

    /// <summary>Which project may reference which, by the layers of the architecture page. "*" stands for any product project.</summary>
    private static readonly Dictionary<string, string[]> AllowedReferences = new()
    {
        ["Millrace"] = [],
        ["Millrace.Testing"] = ["Millrace"],
        ["Millrace.FluentValidation"] = ["Millrace"],
        ["Millrace.Sqlite"] = ["Millrace"],
        ["Millrace.Redis"] = ["Millrace"],
        ["Millrace.Stomp"] = ["Millrace"],
        ["Millrace.Server"] = ["Millrace", "Millrace.Stomp"],
        ["Millrace.App"] = ["Millrace", "Millrace.Sqlite", "Millrace.Redis", "Millrace.Server"],
    };

    [Fact]
    public void Namespaces_AreFolders()
    {
        var wrong =
            from file in Repository.Sources
            let expected = ExpectedNamespace(file.Path)
            from declaration in file.Syntax.Members.OfType<BaseNamespaceDeclarationSyntax>()
            where declaration.Name.ToString() != expected
            select $"{file.Path}: namespace {declaration.Name}, its folder says {expected}";

        Assert.Empty(wrong);
    }

    [Fact]
    public void References_PointOneWay()
    {
        var wrong = new List<string>();
        foreach (var project in Repository.FindFiles("*.csproj").Where(IsProductProject))
        {
            var name = Path.GetFileNameWithoutExtension(project);
            if (!AllowedReferences.TryGetValue(name, out var allowed))
            {
                wrong.Add($"{project}: say in {nameof(AllowedReferences)} what it may reference");
                continue;
            }

            wrong.AddRange(ReferencesOf(project).Except(allowed).Select(reference => $"{project} references {reference}"));
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Core_TakesNothingButAbstractions()
    {
        var project = XDocument.Load(Path.Combine(Repository.Root, "src/Millrace/Millrace.csproj"));
        var packages = project.Descendants("PackageReference").Select(reference => reference.Attribute("Include")!.Value).ToList();

        Assert.NotEmpty(packages);
        Assert.All(packages, package => Assert.True(
            package.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal)
            && (package.EndsWith(".Abstractions", StringComparison.Ordinal) || package == "Microsoft.Extensions.Options"),
            package));
        Assert.Empty(project.Descendants("FrameworkReference"));
    }

    [Fact]
    public void EveryProject_IsInTheSolution()
    {
        var listed = XDocument.Load(Path.Combine(Repository.Root, "Millrace.slnx")).Descendants("Project").Select(project => project.Attribute("Path")!.Value);

        Assert.Equal(Repository.FindFiles("*.csproj"), listed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Names_SayWhatAThingIs()
    {
        var wrong =
            from file in Repository.Sources
            from part in file.Path[..^".cs".Length].Split('/')
            where EmptyNames.Any(name => part.Equals(name, StringComparison.OrdinalIgnoreCase) || part.EndsWith(name, StringComparison.Ordinal))
            select file.Path;

        Assert.Empty(wrong);
    }

    [Fact]
    public void AFileOfOneType_BearsItsName()
    {
        var wrong =
            from file in Repository.Sources.Where(file => file.IsProduct)
            let types = file.Syntax.DescendantNodes().OfType<MemberDeclarationSyntax>()
                .Where(type => type.Parent is BaseNamespaceDeclarationSyntax)
                .Select(NameOf).OfType<string>().ToList()
            let name = Path.GetFileNameWithoutExtension(file.Path).Split('.')[0]
            where types.Count > 0 && !types.Contains(name)
            select $"{file.Path}: holds {string.Join(", ", types)}";

        Assert.Empty(wrong);
    }

    private static string? NameOf(MemberDeclarationSyntax member) => member switch
    {
        BaseTypeDeclarationSyntax type => type.Identifier.Text,
        DelegateDeclarationSyntax type => type.Identifier.Text,
        _ => null,
    };

    private static bool IsProductProject(string project) =>
        (project.StartsWith("src/", StringComparison.Ordinal) || project.StartsWith("backends/", StringComparison.Ordinal) || project.StartsWith("apps/", StringComparison.Ordinal))
        && !project.Contains("/tests/", StringComparison.Ordinal);

    private static IEnumerable<string> ReferencesOf(string project) =>
        XDocument.Load(Path.Combine(Repository.Root, project))
            .Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value));

    private static string ExpectedNamespace(string path)
    {
        // The nearest project file above decides the root; folders below it are segments.
        var folders = path.Split('/')[..^1];
        for (var depth = folders.Length; depth > 0; depth--)
        {
            var folder = string.Join('/', folders[..depth]);
            var project = Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.csproj").FirstOrDefault();
            if (project is not null)
            {
                var root = XDocument.Load(project).Descendants("RootNamespace").FirstOrDefault()?.Value ?? Path.GetFileNameWithoutExtension(project);
                return string.Join('.', [root, .. folders[depth..]]);
            }
        }

        throw new InvalidOperationException($"{path} belongs to no project.");
    }
}
