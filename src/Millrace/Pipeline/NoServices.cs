namespace Millrace.Pipeline;

/// <summary>The services of a program that has none.</summary>
internal sealed class NoServices : IServiceProvider
{
    public static readonly NoServices Instance = new();

    public object? GetService(Type serviceType) => null;
}
