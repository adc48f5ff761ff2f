using Microsoft.Extensions.DependencyInjection;

namespace Millrace.Scheduling.Jobs;

/// <summary>The services of one attempt: a scope that is made when something is first asked of it, so that jobs that ask for nothing cost none. Used by one attempt.</summary>
internal sealed class AttemptServices(IServiceScopeFactory scopes) : IKeyedServiceProvider, IAsyncDisposable
{
    private readonly Lock _gate = new();
    private AsyncServiceScope? _scope;

    private IServiceProvider Scope
    {
        get
        {
            lock (_gate)
            {
                return (_scope ??= scopes.CreateAsyncScope()).ServiceProvider;
            }
        }
    }

    public object? GetService(Type serviceType) => Scope.GetService(serviceType);

    public object? GetKeyedService(Type serviceType, object? serviceKey) => Keyed.GetKeyedService(serviceType, serviceKey);

    public object GetRequiredKeyedService(Type serviceType, object? serviceKey) => Keyed.GetRequiredKeyedService(serviceType, serviceKey);

    private IKeyedServiceProvider Keyed => Scope as IKeyedServiceProvider ?? throw new InvalidOperationException("The application's service provider has no keyed services.");

    public ValueTask DisposeAsync() => _scope?.DisposeAsync() ?? default;
}
