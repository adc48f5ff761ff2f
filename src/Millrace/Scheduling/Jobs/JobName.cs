using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text;

namespace Millrace.Scheduling.Jobs;

/// <summary>The names of jobs: from <see cref="JobAttribute"/>, else from the class.</summary>
internal static class JobName
{
    /// <summary>The longest name, in bytes of UTF-8.</summary>
    public const int MaxBytes = 100;

    /// <summary>Name and version of a type.</summary>
    /// <exception cref="MillraceConfigurationException">They break a rule.</exception>
    public static (string Name, int Version) Of(Type type)
    {
        var attribute = type.GetCustomAttribute<JobAttribute>(inherit: false);
        var name = attribute?.Name ?? InKebabCase(type.Name);
        var version = attribute?.Version ?? 1;
        try
        {
            Require(name);
        }
        catch (InvalidNameException exception)
        {
            throw new MillraceConfigurationException(
                $"The job {type} cannot have its name: {exception.Message} A name has 1 to {MaxBytes} bytes of UTF-8 without control characters, '!', ';' and '@'. Give it one with [Job(\"…\")].",
                exception);
        }

        return version >= 1
            ? (name, version)
            : throw new MillraceConfigurationException($"The job '{name}' ({type}) has the version {version}: versions count from 1.");
    }

    /// <summary>Throws unless <paramref name="name"/> can be a job's.</summary>
    /// <exception cref="InvalidNameException">It cannot; says why.</exception>
    public static void Require(string name)
    {
        ResourceName.RequireText(name, "job", MaxBytes);
        if (name.AsSpan().IndexOfAny("!;@") is >= 0 and var place)
        {
            throw new InvalidNameException("job", name, $"it has a '{name[place]}', which headers and ids need");
        }
    }

    /// <summary><c>SendInvoice</c> becomes <c>send-invoice</c>, <c>HTTPProbe2</c> becomes <c>http-probe2</c>.</summary>
    public static string InKebabCase(string className)
    {
        var tick = className.IndexOf('`', StringComparison.Ordinal);
        var text = tick < 0 ? className : className[..tick];
        var result = new StringBuilder(text.Length + 4);
        for (var i = 0; i < text.Length; i++)
        {
            var startsWord = char.IsUpper(text[i]) && i > 0 && (!char.IsUpper(text[i - 1]) || (i + 1 < text.Length && char.IsLower(text[i + 1])));
            if (startsWord && result[^1] is not ('-' or '_'))
            {
                result.Append('-');
            }

            result.Append(text[i] == '_' ? '-' : char.ToLowerInvariant(text[i]));
        }

        return result.ToString();
    }
}

/// <summary>The name of one type, found once.</summary>
[SuppressMessage("Design", "CA1000", Justification = "Internal: the value of the type argument.")]
internal static class JobName<TJob>
{
    private static string? _header;

    /// <summary>The value of the header that names it.</summary>
    /// <exception cref="MillraceConfigurationException">The name breaks a rule.</exception>
    public static string Header => _header ??= HeaderOf();

    private static string HeaderOf()
    {
        if (typeof(TJob).IsAbstract)
        {
            throw new MillraceConfigurationException($"{typeof(TJob)} is abstract and no job: enqueue a job as its own type, which says its name and how its arguments are written.");
        }

        var (name, version) = JobName.Of(typeof(TJob));
        return JobMessage.JobHeaderOf(name, version);
    }
}
